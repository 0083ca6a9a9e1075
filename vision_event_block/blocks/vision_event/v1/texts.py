"""What the Workflow builder says about the step."""

from __future__ import annotations

SHORT = "Record a Vision Event with its image and predictions, and deliver it exactly once."

LONG = """
Turns what a Workflow sees into a **Vision Event**: image, predictions, a verdict and metadata, to be
searched and charted in the Roboflow dashboard.

## How This Block Works

1. The event is **recorded on the device** first: image and data are on disk when the step returns its `event_id`.
2. A **backup** in the same process uploads the images and creates the event. It retries through outages,
   restarts and full disks, and the event arrives exactly once.
3. An event that the destination refuses is set aside with the reason; the others flow on.

## Wait For

- **storage** (default): return when the event is on disk.
- **nothing**: return at once; the event is on disk a moment later.
- **delivery**: return when the destination has confirmed the event.

`event_id` is the real id of the event in every mode, ready to be used by later steps.

## Moving Over From the Stock Block

Change the `type` of the step from `roboflow_core/roboflow_vision_events@v1` to
`vision_event_block/vision_event@v1`. Every field keeps its name, meaning and default.

## Outputs

- `event_id`: id of the event, empty if nothing was recorded
- `status`: `recorded`, `delivered`, `throttled`, `disabled` or `refused`
- `error_status`: whether what was asked for did not happen
- `throttling_status`: whether the cooldown dropped the event
- `message`: what happened, and what was mended, in words

## Requirements

An API key with the scope `vision-events:write`. Without a key, events are recorded and wait for one.
"""

KEYWORDS = [
    "vision event",
    "event",
    "record",
    "backup",
    "offline",
    "quality check",
    "inventory",
    "safety",
    "alert",
]

EVENT_TYPES = {
    "quality_check": {"name": "Quality Check", "description": "An inspection that passed or failed"},
    "inventory_count": {"name": "Inventory Count", "description": "A number of items at a location"},
    "safety_alert": {"name": "Safety Alert", "description": "A violation with its type and severity"},
    "custom": {"name": "Custom", "description": "Anything else, with a text of your own"},
    "operator_feedback": {
        "name": "Operator Feedback",
        "description": "A person's judgement of an earlier event",
    },
}

WAIT_FOR = {
    "storage": {"name": "Storage", "description": "Return when the event is on disk"},
    "nothing": {"name": "Nothing", "description": "Return at once"},
    "delivery": {"name": "Delivery", "description": "Return when the destination has confirmed the event"},
}
