"""`vision-events list` and `show`: the events of this device."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from vision_event_block.cli import device, options, terminal
from vision_event_block.images import extension_of
from vision_event_block.recorder import Recorder
from vision_event_block.store.listing import Filter, Listed
from vision_event_block.wording import found, headline, iso, moment, size

_SHORT = 8


def list_events(
    states: options.States = [],  # noqa: B006 - typer takes defaults by value
    types: options.Types = [],  # noqa: B006
    use_case: options.UseCase = None,
    class_name: options.ClassName = None,
    since: options.Since = None,
    until: options.Until = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most events to list.")] = 20,
    as_json: options.AsJson = False,
) -> None:
    """List events, those captured last first.

    \b
    vision-events list --state rejected
    vision-events list --type safety_alert --since 2h
    vision-events list --use-case lid-check --since today --limit 1000 --json
    """
    wanted = options.filter_of(states, types, use_case, class_name, since, until)
    events = device.recorder().store.catalog.events(wanted, limit)
    if as_json:
        terminal.say_json([_document(event) for event in events])
        return
    if not events:
        terminal.complain("No event fulfils this." if wanted != Filter() else "There is no event yet.")
        return
    terminal.table(
        ["ID", "CAPTURED", "TYPE", "USE CASE", "WHAT", "FOUND", "STATE"],
        [
            (
                event.id[:_SHORT], moment(event.captured_at), event.event_type, event.use_case, headline(event),
                found(event), terminal.state(event.state),
            )
            for event in events
        ],
    )  # fmt: skip


def show(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the event, or how it begins.")],
    images: Annotated[Path | None, typer.Option("--images", help="Folder to write the images to.")] = None,
    open_them: Annotated[bool, typer.Option("--open", help="Open the images.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show all that is known of an event.

    \b
    vision-events show 7f0f6c0e
    vision-events show 7f0f6c0e --images .
    """
    recorder = device.recorder()
    event = device.event_named(recorder, event_id)
    if open_them and images is None:
        images = Path(tempfile.mkdtemp(prefix="vision-event-"))
    written = write_images(recorder, event, images) if images is not None else []
    if as_json:
        history = [
            {
                "what": h.what,
                "words": h.words,
                "first_at": iso(h.first_at),
                "last_at": iso(h.last_at),
                "times": h.times,
            }
            for h in recorder.store.catalog.history(event.id)
        ]
        terminal.say_json({**_document(event), "history": history, "images": [str(path) for path in written]})
        return
    print_event(recorder, event)
    for path in written:
        terminal.say(f"Written: {path}")
        if open_them:
            typer.launch(str(path))


def _document(event: Listed) -> dict[str, Any]:
    return {
        "id": event.id,
        "state": event.state,
        "reason": event.reason,
        "attempts": event.attempts,
        "destination": event.route.destination,
        "recorded_at": iso(event.recorded_at),
        "settled_at": iso(event.settled_at) if event.settled_at else None,
        "event": event.to_wire(),
    }


def print_event(recorder: Recorder, event: Listed) -> None:
    """Prints all that is known of an event."""
    body = event.parsed
    terminal.facts(
        [
            ("Event", event.id),
            ("Type", event.event_type),
            ("Use case", event.use_case),
            ("Captured", moment(event.captured_at)),
            ("Recorded", moment(event.recorded_at)),
            ("State", terminal.state(event.state)),
            ("Reason", event.reason),
            ("Destination", event.route.destination),
            *((name, body.get(key)) for name, key in (("Device", "deviceId"), ("Stream", "streamId"), ("Workflow", "workflowId"))),
            *_pairs("Data", body.get("eventData")),
            *_pairs("Metadata", body.get("customMetadata")),
            ("Comment", body.get("comment")),
            ("Found", found(event)),
            *(("Image", _describe(recorder, place, sha256)) for place, sha256 in sorted(event.images.items())),
        ]
    )  # fmt: skip
    happenings = recorder.store.catalog.history(event.id)
    if happenings:
        terminal.say()
        terminal.table(
            ["WHEN", "WHAT", "WORDS"],
            [
                (moment(h.last_at), f"{h.what} x{h.times}" if h.times > 1 else h.what, h.words)
                for h in happenings
            ],
        )


def _pairs(name: str, values: Mapping[str, Any] | None) -> list[tuple[str, object]]:
    pairs = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in (values or {}).items()]
    return [
        (name if first else "", pair)
        for first, pair in zip([True] + [False] * len(pairs), pairs, strict=False)
    ]


def _describe(recorder: Recorder, place: tuple[int, str], sha256: str) -> str:
    image = recorder.store.image(sha256)
    if image is None:
        return f"{place[1]}: missing"
    return f"{place[1]}: {image.width} x {image.height}, {image.content_type}, {size(len(image.data))}"


def write_images(recorder: Recorder, event: Listed, folder: Path) -> list[Path]:
    """Writes the images of an event as files; returns where."""
    folder.mkdir(parents=True, exist_ok=True)
    name = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in event.id[:_SHORT])
    written = []
    for (position, role), sha256 in sorted(event.images.items()):
        image = recorder.store.image(sha256)
        if image is not None:
            path = folder / f"{name}-{position}-{role}.{extension_of(image.content_type)}"
            path.write_bytes(image.data)
            written.append(path)
    return written
