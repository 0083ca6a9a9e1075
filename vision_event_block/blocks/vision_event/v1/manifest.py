"""The fields of the step, as the Workflow builder shows them and workflow JSON names them.

A field that the stock block has keeps its name, meaning and default, so that a saved Workflow
moves over by changing its `type`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import ConfigDict, Field, NonNegativeFloat, NonNegativeInt, model_validator
from pydantic.json_schema import SkipJsonSchema

from vision_event_block.blocks.engine import (
    BOOLEAN_KIND,
    FLOAT_KIND,
    IMAGE_KIND,
    INTEGER_KIND,
    PREDICTION_KINDS,
    STRING_KIND,
    USE_CASE_KINDS,
    OutputDefinition,
    Selector,
    WorkflowBlockManifest,
)
from vision_event_block.blocks.vision_event.v1 import texts
from vision_event_block.blocks.vision_event.v1.definition import check_definition
from vision_event_block.event_data import EventType, Feedback, QualityResult, Severity
from vision_event_block.recorder import WaitFor

# The engine checks the values of a run against these annotations and fails the whole run for one
# that does not fit. A sink must not stop a camera, so every value is taken at run time, and the
# literals of a definition are checked when it is compiled (see `definition.py`).
Anything = SkipJsonSchema[Any]
Text = Selector(kind=[STRING_KIND]) | str | Anything | None
Truth = bool | Selector(kind=[BOOLEAN_KIND]) | Anything


def _for_types(*event_types: str, required: bool = False) -> dict[str, Any]:
    condition: dict[str, Any] = {"values": list(event_types)}
    if required:
        condition["required"] = True
    return {"event_type": condition}


class VisionEventManifestV1(WorkflowBlockManifest):
    """Definition of one Vision Event step."""

    model_config = ConfigDict(
        json_schema_extra={
            "name": "Vision Event",
            "version": "v1",
            "short_description": texts.SHORT,
            "long_description": texts.LONG,
            "license": "Apache-2.0",
            "block_type": "sink",
            "search_keywords": texts.KEYWORDS,
            "ui_manifest": {
                "section": "data_storage",
                "icon": "fal fa-eye",
                "blockPriority": 1,
                "popular": False,
                # Without a key events are recorded and wait for one.
                "requires_rf_key": False,
            },
        }
    )
    type: Literal["vision_event_block/vision_event@v1"]
    input_image: Selector(kind=[IMAGE_KIND]) | None = Field(
        default=None,
        title="Input Image",
        description="The original image, in whose pixels the predictions are.",
        examples=["$inputs.image", "$steps.cropping.crops"],
        json_schema_extra={"always_visible": True},
    )
    output_image: Selector(kind=[IMAGE_KIND]) | None = Field(
        default=None,
        title="Output Image",
        description="A picture to show first, such as the output of a visualization step.",
        examples=["$steps.visualization.image"],
        json_schema_extra={"always_visible": True},
    )
    predictions: Selector(kind=PREDICTION_KINDS) | None = Field(
        default=None,
        title="Predictions",
        description="Predictions of any kind, attached to the input image as annotations. Texts of QR and bar "
        "codes go into the custom metadata.",
        examples=["$steps.object_detection_model.predictions"],
        json_schema_extra={"always_visible": True},
    )
    event_type: EventType | Selector(kind=[STRING_KIND]) | Anything = Field(
        title="Event Type",
        description="What the event is about.",
        examples=["quality_check", "custom", "$inputs.event_type"],
        json_schema_extra={"always_visible": True, "values_metadata": texts.EVENT_TYPES},
    )
    solution: str | Selector(kind=USE_CASE_KINDS) | Anything = Field(
        title="Use Case",
        description="Id of the use case that the event belongs to. It must exist in the workspace. "
        "`use_case` is accepted as another name of this field.",
        examples=["my-use-case", "$inputs.use_case"],
    )
    external_id: Text = Field(
        default=None,
        title="External ID",
        description="Your own identifier, such as a lot or serial number (at most 1000 characters).",
        examples=["lot-2025-001", "$inputs.external_id"],
        json_schema_extra={
            "relevant_for": _for_types("quality_check", "inventory_count", "safety_alert", "custom")
        },
    )
    qc_result: Selector(kind=[STRING_KIND]) | QualityResult | Anything | None = Field(
        default=None,
        title="Result",
        description="Result of the quality check.",
        examples=["pass", "fail", "$steps.qc_logic.result"],
        json_schema_extra={
            "relevant_for": _for_types("quality_check", required=True),
            "always_visible": True,
        },
    )
    location: Text = Field(
        default=None,
        title="Location",
        description="Where the items were counted.",
        examples=["warehouse-A", "$inputs.location"],
        json_schema_extra={"relevant_for": _for_types("inventory_count", required=True)},
    )
    item_count: Selector(kind=[INTEGER_KIND]) | int | Anything | None = Field(
        default=None,
        title="Item Count",
        description="Number of items.",
        examples=[42, "$steps.counter.count"],
        json_schema_extra={
            "relevant_for": _for_types("inventory_count", required=True),
            "always_visible": True,
        },
    )
    item_type: Text = Field(
        default=None,
        title="Item Type",
        description="What was counted.",
        examples=["crate", "$inputs.item_type"],
        json_schema_extra={"relevant_for": _for_types("inventory_count", required=True)},
    )
    alert_type: Text = Field(
        default=None,
        title="Alert Type",
        description="Name of the alert, such as no_hardhat or spill_detected.",
        examples=["no_hardhat", "$steps.classifier.top_class"],
        json_schema_extra={"relevant_for": _for_types("safety_alert", required=True), "always_visible": True},
    )
    severity: Selector(kind=[STRING_KIND]) | Severity | Anything | None = Field(
        default=None,
        title="Severity",
        description="How serious the alert is.",
        examples=["high", "$inputs.severity"],
        json_schema_extra={"relevant_for": _for_types("safety_alert", required=True)},
    )
    alert_description: Text = Field(
        default=None,
        title="Description",
        description="The alert in words.",
        examples=["Person without a hard hat in zone B"],
        json_schema_extra={"relevant_for": _for_types("safety_alert", required=True)},
    )
    custom_value: Text = Field(
        default=None,
        title="Value",
        description="Any text.",
        examples=["belt stopped"],
        json_schema_extra={"relevant_for": _for_types("custom", required=True), "always_visible": True},
    )
    related_event_id: Text = Field(
        default=None,
        title="Related Event ID",
        description="Id of the event that the feedback is about, such as the `event_id` of another step.",
        examples=["$steps.vision_event.event_id", "$inputs.related_event_id"],
        json_schema_extra={
            "relevant_for": _for_types("operator_feedback", required=True),
            "always_visible": True,
        },
    )
    feedback: Selector(kind=[STRING_KIND]) | Feedback | Anything | None = Field(
        default=None,
        title="Feedback",
        description="What the operator says of the related event.",
        examples=["correct", "incorrect", "$inputs.feedback"],
        json_schema_extra={"relevant_for": _for_types("operator_feedback", required=True)},
    )
    custom_metadata: dict[str, str | int | float | bool | Selector()] = Field(
        default_factory=dict,
        title="Custom Metadata",
        description="Up to 100 named values to find the event by. Names take letters, digits, `_`, `-` and spaces "
        "(at most 100 characters), texts at most 1000 characters.",
        examples=[{"camera_id": "cam_01", "location": "$inputs.location"}],
        json_schema_extra={"additional_section": True},
    )
    fire_and_forget: Truth = Field(
        default=True,
        title="Fire and Forget",
        description="Field of the stock block: true is `wait_for: storage`, false is `wait_for: delivery`. "
        "Ignored when Wait For is set.",
        examples=[True, "$inputs.fire_and_forget"],
    )
    wait_for: WaitFor | Selector(kind=[STRING_KIND]) | Anything | None = Field(
        default=None,
        title="Wait For",
        description="What the step waits for before it returns. Unset: `storage`, or `delivery` when Fire and "
        "Forget is off.",
        examples=["storage", "nothing", "delivery", "$inputs.wait_for"],
        json_schema_extra={"values_metadata": texts.WAIT_FOR},
    )
    write_to_event_store: Truth = Field(
        default=False,
        title="Write to Local Event Store",
        description="Deliver to the Event Store of a device instead of the Roboflow cloud. The event is recorded "
        "here first all the same.",
        examples=[False, True, "$inputs.write_to_event_store"],
    )
    event_store_url: Selector(kind=[STRING_KIND]) | str | Anything = Field(
        default="http://localhost:8001",
        title="Event Store URL",
        description="Base URL of the Event Store. If it asks for a key, set `EVENT_INGESTION_API_KEY`.",
        examples=["http://localhost:8001", "$inputs.event_store_url"],
        json_schema_extra={"relevant_for": {"write_to_event_store": {"values": [True], "required": False}}},
    )
    disable_sink: Truth = Field(
        default=False,
        title="Disable Sink",
        description="If true, nothing is recorded.",
        examples=[False, "$inputs.disable_vision_events"],
    )
    cooldown_seconds: (
        NonNegativeInt | NonNegativeFloat | Selector(kind=[INTEGER_KIND, FLOAT_KIND]) | Anything
    ) = Field(
        default=1,
        title="Cooldown",
        description="Shortest time in seconds between two events of this step and stream; what comes sooner is "
        "dropped and `throttling_status` is true. It holds across HTTP requests of one server process. "
        "0 records every event.",
        examples=[1, 0.5, "$inputs.cooldown_seconds"],
        json_schema_extra={"always_visible": True},
    )
    device_id: Text = Field(
        default=None,
        title="Device ID",
        description="Unset: the device id of the inference server (`DEVICE_ID`).",
        examples=["press-4", "$inputs.device_id"],
    )
    stream_id: Text = Field(
        default=None,
        title="Stream ID",
        description="Unset: the video source of the frame, where it has one.",
        examples=["cam-left", "$inputs.stream_id"],
    )
    workflow_id: Text = Field(
        default=None,
        title="Workflow ID",
        description="Id of the Workflow, to find its events by.",
        examples=["lid-check", "$inputs.workflow_id"],
    )
    idempotency_key: Text = Field(
        default=None,
        title="Idempotency Key",
        description="The same key in the same use case is the same event, however often the Workflow is re-run.",
        examples=["$inputs.part_serial_number"],
    )
    step_key: str = Field(
        default="",
        title="Step Key",
        description="Made by the step itself, to keep its cooldown apart from that of other steps.",
        json_schema_extra={"hidden": True},
    )

    @model_validator(mode="before")
    @classmethod
    def _prepare(cls, definition: Any) -> Any:
        # The engine assigns the values of a run to a copy, which comes by here once more, with its key.
        if not isinstance(definition, dict) or definition.get("step_key"):
            return definition
        return {**check_definition(definition), "step_key": _key_of(definition)}

    @classmethod
    def describe_outputs(cls) -> list[Any]:
        """Outputs of the stock block, and `status`."""
        return [
            OutputDefinition(name="error_status", kind=[BOOLEAN_KIND]),
            OutputDefinition(name="throttling_status", kind=[BOOLEAN_KIND]),
            OutputDefinition(name="event_id", kind=[STRING_KIND]),
            OutputDefinition(name="message", kind=[STRING_KIND]),
            OutputDefinition(name="status", kind=[STRING_KIND]),
        ]

    @classmethod
    def get_parameters_accepting_batches_and_scalars(cls) -> list[str]:
        """Every field: what a run brings as a batch is recorded in one transaction."""
        return [name for name in cls.model_fields if name not in ("type", "name", "step_key")]

    @classmethod
    def get_execution_engine_compatibility(cls) -> str | None:
        """Releases of the engine that hand over all that the step needs."""
        return ">=1.3.0,<2.0.0"


def _key_of(definition: dict[str, Any]) -> str:
    text = json.dumps(definition, sort_keys=True, default=repr)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
