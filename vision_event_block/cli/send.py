"""`vision-events send`: image files over the REST API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from rich.progress import Progress, TaskID

from vision_event_block import mending
from vision_event_block.cli import destination, terminal
from vision_event_block.cli.options import AsJson, moment
from vision_event_block.client import VisionEventsClient
from vision_event_block.errors import DeliveryError, InvalidEvent
from vision_event_block.event import EventImage, VisionEvent, event_id_of_key
from vision_event_block.event_data import EVENT_DATA, EventType, keys_of
from vision_event_block.settings import Settings

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".heic", ".avif"}
_AT_ONCE = 100
_MOST_THREADS = 16


@dataclass
class Outcome:
    """What became of the files."""

    sent: list[tuple[Path, str]] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)


def send(
    places: Annotated[
        list[Path], typer.Argument(metavar="IMAGE|FOLDER...", help="Image files, or folders of them.")
    ],
    use_case: Annotated[str, typer.Option("--use-case", help="Id of the use case; it must exist.")],
    event_type: Annotated[
        str, typer.Option("--type", help=f"One of {', '.join(get_args(EventType))}.")
    ] = "custom",
    data: Annotated[
        list[str], typer.Option("--data", metavar="KEY=VALUE", help="Data of the event, such as result=fail.")
    ] = [],  # noqa: B006
    metadata: Annotated[
        list[str],
        typer.Option(
            "--metadata", metavar="KEY=VALUE", help="Custom metadata; a number or true/false is one."
        ),
    ] = [],  # noqa: B006
    device_id: Annotated[str | None, typer.Option("--device", help="Id of the device.")] = None,
    stream_id: Annotated[str | None, typer.Option("--stream", help="Id of the stream.")] = None,
    captured: Annotated[
        datetime | None,
        typer.Option(
            parser=moment, metavar="TIME", help="When the images were taken; else the time of each file."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Upload images and create a Vision Event for each.

    Over the REST API, with no Workflow and no event store.

    The same file with the same fields is the same event: sent again, it replaces itself. So an
    interrupted run is simply repeated. Exit code 3 if some could not be sent.

    \b
    vision-events send frame.jpg --use-case lid-check --type quality_check --data result=fail
    vision-events send shift-7/ --use-case lid-check --metadata shift=B --metadata line=4
    """
    prototype = _prototype(
        use_case, event_type, _pairs("--data", data), _pairs("--metadata", metadata), device_id, stream_id
    )
    settings = Settings()
    outcome = Outcome()
    files = list(_files(places, outcome))
    try:
        with destination.client(settings) as client, terminal.progress("sending") as bar:
            task = bar.add_task("", total=len(files))
            _Sending(client, prototype, captured, outcome, bar, task).run(
                files, min(settings.uploads, _MOST_THREADS)
            )
    except KeyboardInterrupt:
        terminal.complain(
            "Interrupted. Send the same again to go on: what is there is replaced, not doubled."
        )
        _tell(outcome, as_json)
        raise typer.Exit(terminal.INTERRUPTED) from None
    _tell(outcome, as_json)
    if outcome.failed:
        raise typer.Exit(terminal.IN_PART)


class _Sending:
    """Uploads several files at a time and creates their events in batches."""

    def __init__(
        self,
        client: VisionEventsClient,
        prototype: VisionEvent,
        captured: datetime | None,
        outcome: Outcome,
        bar: Progress,
        task: TaskID,
    ) -> None:
        self._client = client
        self._prototype = prototype
        self._captured = captured
        self._outcome = outcome
        self._bar = bar
        self._task = task

    def run(self, files: Sequence[Path], threads: int) -> None:
        rest = iter(files)
        pool = ThreadPoolExecutor(threads)
        try:
            while batch := list(islice(rest, _AT_ONCE)):
                stop = self._send(batch, pool)
                if stop is not None:
                    self._outcome.failed += [(path, f"not tried: {stop}") for path in rest]
        finally:
            pool.shutdown(cancel_futures=True)

    def _send(self, batch: Sequence[Path], pool: ThreadPoolExecutor) -> DeliveryError | None:
        """Sends one batch. Returns what went wrong if it would go wrong with all others too."""
        stop: DeliveryError | None = None
        events: dict[str, Path] = {}
        ready: list[VisionEvent] = []
        for path, result in zip(batch, pool.map(self._upload, batch), strict=True):
            if isinstance(result, VisionEvent):
                events[result.event_id] = path
                ready.append(result)
                continue
            self._outcome.failed.append((path, terminal.problem(result) or str(result)))
            self._bar.advance(self._task)
            if isinstance(result, DeliveryError) and not result.may_be_the_events_fault:
                stop = result
        report = self._client.create_events(ready)
        self._outcome.sent += [(events[event_id], event_id) for event_id in report.created]
        for event_id, error in report.failed.items():
            self._outcome.failed.append((events[event_id], str(error)))
            stop = stop if error.may_be_the_events_fault else error
        self._bar.advance(self._task, len(ready))
        return stop

    def _upload(self, path: Path) -> VisionEvent | Exception:
        try:
            content = path.read_bytes()
            source = self._client.upload_image(content, name=path.name).source_id
        except (InvalidEvent, DeliveryError, OSError) as error:
            return error
        taken = self._captured or datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
        what = self._prototype.model_dump_json(exclude={"event_id", "timestamp"})
        key = f"{hashlib.sha256(content).hexdigest()} {path.name} {what}"
        return self._prototype.model_copy(
            update={
                "event_id": event_id_of_key(self._prototype.use_case_id, key),
                # A photograph may be older than what the API takes.
                "timestamp": mending.timestamp(taken, datetime.now(timezone.utc), []),
                "images": [EventImage(input_source_id=source)],
                "display_image_position": 0,
            }
        )


def _prototype(
    use_case: str,
    event_type: str,
    data: dict[str, str],
    metadata: dict[str, str],
    device_id: str | None,
    stream_id: str | None,
) -> VisionEvent:
    if event_type not in EVENT_DATA:
        raise typer.BadParameter(f"--type {event_type!r} is none of {', '.join(EVENT_DATA)}.")
    known: EventType = event_type
    for key in data:
        if to_camel(key) not in keys_of(known):
            raise typer.BadParameter(
                f"--data {key!r} is none of {', '.join(keys_of(known))}, which {known} has."
            )
    try:
        typed = EVENT_DATA[known].model_validate(data)
        return VisionEvent(
            event_type=known,
            use_case_id=use_case,
            timestamp=datetime.now(timezone.utc),
            device_id=device_id,
            stream_id=stream_id,
            event_data=typed.model_dump(by_alias=True, exclude_none=True) or None,
            custom_metadata={key: _literal(value) for key, value in metadata.items()} or None,
        )
    except ValidationError as error:
        raise typer.BadParameter(terminal.problem(error) or "") from None


def _pairs(option: str, given: Iterable[str]) -> dict[str, str]:
    pairs = {}
    for pair in given:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise typer.BadParameter(f"{option} {pair!r} is no KEY=VALUE.")
        pairs[key] = value
    return pairs


def _literal(text: str) -> Any:
    """A number or a truth value where it reads as one, else the text; "…" in quotes is always text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str | bool | int | float) else text


def _files(places: Iterable[Path], outcome: Outcome) -> Iterator[Path]:
    for place in places:
        if place.is_dir():
            found = sorted(
                path for path in place.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file()
            )
            yield from found
            if not found:
                outcome.failed.append((place, f"no images in it: they end in {', '.join(sorted(_SUFFIXES))}"))
        else:
            yield place


def _tell(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        terminal.say_json(
            {
                "sent": [{"file": str(path), "event_id": event_id} for path, event_id in outcome.sent],
                "failed": [{"file": str(path), "reason": reason} for path, reason in outcome.failed],
            }
        )
        return
    for path, reason in outcome.failed:
        terminal.complain(reason if str(path) in reason else f"{path}: {reason}")
    terminal.say(f"{len(outcome.sent)} sent, {len(outcome.failed)} failed.")
