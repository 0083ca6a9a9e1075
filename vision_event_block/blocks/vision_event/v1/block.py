"""The step at run time: reads its inputs, has the events recorded, says what happened."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args

from vision_event_block import mending
from vision_event_block.blocks.cooldown import COOLDOWN, Turn
from vision_event_block.blocks.engine import Batch, BlockResult, WorkflowBlock
from vision_event_block.blocks.inputs import frame_of, predictions_of, source_of
from vision_event_block.blocks.vision_event.v1.manifest import VisionEventManifestV1
from vision_event_block.draft import Draft
from vision_event_block.receipt import Receipt
from vision_event_block.recorder import Recorder, WaitFor
from vision_event_block.shared import shared_recorder

# Where each field of the step belongs in eventData.
_DATA_KEYS = {
    "externalId": "external_id",
    "result": "qc_result",
    "location": "location",
    "itemCount": "item_count",
    "itemType": "item_type",
    "alertType": "alert_type",
    "severity": "severity",
    "description": "alert_description",
    "value": "custom_value",
    "relatedEventId": "related_event_id",
    "feedback": "feedback",
}
_WAITS: tuple[WaitFor, ...] = get_args(WaitFor)
_COMMIT_ON_CLOSE = 5.0


class VisionEventBlockV1(WorkflowBlock):
    """Vision Event. The engine makes a new object for every HTTP request, so nothing is kept in it."""

    def __init__(self, api_key: str | None, disable_sinks: bool) -> None:
        self._api_key = api_key
        self._disable_sinks = disable_sinks
        if not disable_sinks:
            _resume(api_key)

    @classmethod
    def get_init_parameters(cls) -> list[str]:
        """The key of the run and its switch for sinks."""
        return ["api_key", "disable_sinks"]

    @classmethod
    def get_manifest(cls) -> type[Any]:
        """The fields of the step."""
        return VisionEventManifestV1

    def run(self, **fields: Any) -> BlockResult:
        """One output per element of the batch, or one for a run without batches. Never raises."""
        size = _batch_size(fields)
        try:
            results = self._record([_element(fields, index) for index in range(size or 1)])
        except Exception as error:  # noqa: BLE001 - a broken sink must not stop a production line
            message = f"Not recorded: {type(error).__name__}: {error}"
            results = [_result("refused", message, error=True) for _ in range(size or 1)]
        return results if size is not None else results[0]

    def close(self) -> None:
        """Puts on disk what was handed over; a host may end the process without further notice."""
        with contextlib.suppress(ValueError):
            shared_recorder().commit(_COMMIT_ON_CLOSE)

    def _record(self, elements: list[dict[str, Any]]) -> list[dict[str, Any]]:
        recorder = shared_recorder()
        results: dict[int, dict[str, Any]] = {}
        waiting: dict[tuple[WaitFor, str | None], list[tuple[int, Draft, Turn, list[str]]]] = {}
        for index, fields in enumerate(elements):
            notes: list[str] = []
            if self._disable_sinks or mending.truth(fields["disable_sink"]):
                results[index] = _disabled(self._disable_sinks)
                continue
            captured_at, source = source_of(fields["input_image"], fields["output_image"])
            stream = fields["stream_id"] or source
            turn = COOLDOWN.take((fields["step_key"], str(stream)), fields["cooldown_seconds"])
            if turn is None:
                results[index] = _result("throttled", "Sink cooldown applies", throttled=True)
                continue
            draft = _draft(recorder, fields, captured_at, stream, notes)
            together = (_wait_for(fields, notes), _event_store(fields))
            waiting.setdefault(together, []).append((index, draft, turn, notes))
        for (wait_for, event_store), entries in waiting.items():
            drafts = [draft for _, draft, _, _ in entries]
            receipts = recorder.record_drafts(
                drafts, wait_for=wait_for, api_key=self._api_key, event_store_url=event_store
            )
            for (index, _, turn, notes), receipt in zip(entries, receipts, strict=True):
                if not receipt.event_id:
                    turn.give_back()
                results[index] = _of_receipt(receipt, notes)
        return [results[index] for index in range(len(elements))]


def _resume(api_key: str | None) -> None:
    """Delivers what an earlier process left, even if this one never sees anything worth an event."""
    # What is wrong with the configuration is said by each run, on the outputs of the step.
    with contextlib.suppress(ValueError):
        shared_recorder().resume(api_key)


def _batch_size(fields: Mapping[str, Any]) -> int | None:
    """Number of elements, or None where no input is a batch."""
    for value in (*fields.values(), *fields["custom_metadata"].values()):
        if isinstance(value, Batch):
            return len(value)
    return None


def _element(fields: Mapping[str, Any], index: int) -> dict[str, Any]:
    """The fields of one element; what is no batch belongs to all of them."""

    def pick(value: Any) -> Any:
        return value[index] if isinstance(value, Batch) else value

    element = {name: pick(value) for name, value in fields.items()}
    element["custom_metadata"] = {name: pick(value) for name, value in fields["custom_metadata"].items()}
    return element


def _draft(
    recorder: Recorder,
    fields: Mapping[str, Any],
    captured_at: datetime | None,
    stream: Any,
    notes: list[str],
) -> Draft:
    return Draft(
        use_case=fields["solution"],
        event_type=fields["event_type"],
        image=frame_of(fields["input_image"], recorder.frames, notes),
        output_image=frame_of(fields["output_image"], recorder.frames, notes),
        predictions=predictions_of(fields["predictions"]),
        data={key: fields[name] for key, name in _DATA_KEYS.items()},
        metadata=fields["custom_metadata"],
        captured_at=captured_at,
        device_id=fields["device_id"],
        stream_id=stream,
        workflow_id=fields["workflow_id"],
        idempotency_key=fields["idempotency_key"],
    )


def _wait_for(fields: Mapping[str, Any], notes: list[str]) -> WaitFor:
    wanted = fields["wait_for"]
    if wanted is not None:
        for wait_for in _WAITS:
            if str(wanted).strip().lower() == wait_for:
                return wait_for
        notes.append(
            f"`wait_for` {mending.shown(wanted)} is none of {', '.join(_WAITS)}: waited for storage."
        )
        return "storage"
    return "storage" if mending.truth(fields["fire_and_forget"]) else "delivery"


def _event_store(fields: Mapping[str, Any]) -> str | None:
    """The Event Store to deliver to, or None for the destination of this device."""
    if not mending.truth(fields["write_to_event_store"]):
        return None
    return str(fields["event_store_url"])


def _of_receipt(receipt: Receipt, notes: list[str]) -> dict[str, Any]:
    message = " ".join([receipt.message, *notes])
    return _result(receipt.status, message, event_id=receipt.event_id, error=receipt.error)


def _disabled(by_policy: bool) -> dict[str, Any]:
    cause = "workflow execution policy" if by_policy else "parameter `disable_sink`"
    return _result("disabled", f"Sink was disabled by {cause}")


def _result(
    status: str, message: str, *, event_id: str = "", error: bool = False, throttled: bool = False
) -> dict[str, Any]:
    return {
        "error_status": error,
        "throttling_status": throttled,
        "event_id": event_id,
        "message": message,
        "status": status,
    }
