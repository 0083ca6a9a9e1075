"""`vision-events export` and `import`: events as files, for networks with no route out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from pydantic import ValidationError

from vision_event_block.backup.bundles import BundleDestination
from vision_event_block.backup.contents import bundle_of
from vision_event_block.bundle import open_bundle
from vision_event_block.bundle_folder import find_bundles, read_file, write_bundle
from vision_event_block.cli import device, options, terminal
from vision_event_block.errors import InvalidEvent, StoreError
from vision_event_block.recorder import Recorder
from vision_event_block.store.interface import EventStore
from vision_event_block.store.listing import Filter, Listed
from vision_event_block.store.model import NewEvent, Outcome, Route
from vision_event_block.wording import number_of

_PAGE = 100
# Long enough for the slowest stick to take a claim of events.
_LEASE = 300.0


def export(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the bundles go; it is made if need be.")
    ],
    states: options.States = [],  # noqa: B006 - typer takes defaults by value
    types: options.Types = [],  # noqa: B006
    use_case: options.UseCase = None,
    class_name: options.ClassName = None,
    since: options.Since = None,
    until: options.Until = None,
    settle: Annotated[
        bool,
        typer.Option(
            "--settle", help="Take what is pending, and count it as delivered once its bundle is on disk."
        ),
    ] = False,
) -> None:
    """Write events as bundles, one tar.gz each.

    They are as `POST /vision-events/bundle` takes them. A bundle appears under its name when it is complete. The same event has the same name.

    \b
    vision-events export /media/stick --since today
    vision-events export /media/stick --settle
    """
    wanted = options.filter_of(states, types, use_case, class_name, since, until)
    if settle and wanted != Filter():
        raise typer.BadParameter("--settle takes all that is pending: give no filters with it.")
    recorder = device.recorder()
    if settle:
        _settle(recorder.store, folder)
        return
    failed: list[str] = []
    written = 0
    with terminal.progress("writing") as bar:
        task = bar.add_task("", total=None)
        for event in _all(recorder.store, wanted):
            try:
                write_bundle(folder, bundle_of(recorder.store, event.body, event.images))
                written += 1
            except InvalidEvent as error:
                failed.append(f"{event.id}: {error}")
            bar.advance(task)
    terminal.say(f"{number_of(written, 'bundle')} in {folder}.")
    _tell(failed)


def import_bundles(
    places: Annotated[
        list[Path], typer.Argument(metavar="FILE|FOLDER...", help="Bundles, or folders of bundles.")
    ],
    use_case: Annotated[
        str | None, typer.Option("--use-case", help="Use case of the events, instead of that of the bundle.")
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove each bundle once its event is recorded.")
    ] = False,
) -> None:
    """Record the events of bundles on this device.

    The backup carries them on. A bundle that is refused is left where it is. The same bundle again is the same event.

    \b
    vision-events import /media/stick
    vision-events import --remove --use-case lid-check event_*.tar.gz
    """
    paths = list(find_bundles(places))
    recorder = Recorder()
    route = recorder.route()
    new, known, refused = 0, 0, []
    stop: StoreError | None = None
    with terminal.progress("recording") as bar:
        task = bar.add_task("", total=len(paths))
        for path in paths:
            try:
                if _record(recorder, route, path, use_case):
                    new += 1
                else:
                    known += 1
                if remove:
                    path.unlink()
            except (InvalidEvent, ValidationError, OSError) as error:
                refused.append(f"{path}: {terminal.problem(error)}")
            except StoreError as error:
                stop = error
                break
            bar.advance(task)
    terminal.say(f"{new} recorded, {known} were here already.")
    if stop is not None:
        refused += [f"{path}: {stop}"] + [f"{left}: not tried" for left in paths[paths.index(path) + 1 :]]
    _tell(refused)


def _record(recorder: Recorder, route: Route, path: Path, use_case: str | None) -> bool:
    """Records the event of a bundle; false if it was there."""
    bundle = open_bundle(read_file(path), use_case)
    bundle.event.check_timestamp()
    (answer,) = recorder.record_events([NewEvent.of(bundle.event, route, bundle.files)])
    if not answer.is_new and not answer.is_same:
        raise InvalidEvent(f"another event with the id {answer.id} is in the event store.")
    return answer.is_new


def _settle(store: EventStore, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    destination = BundleDestination(folder, store)
    token = f"export-{uuid4().hex}"
    written, rejected = 0, 0

    def note(outcomes: list[Outcome]) -> None:
        nonlocal written, rejected
        store.queue.settle(token, outcomes)
        written += sum(outcome.state == "delivered" for outcome in outcomes)
        rejected += sum(outcome.state == "rejected" for outcome in outcomes)

    try:
        for route in store.queue.routes():
            while claimed := store.queue.claim(route, token, _LEASE, _PAGE):
                trouble = destination.deliver(claimed, note)  # type: ignore[arg-type]
                if trouble is not None:
                    terminal.fail(f"{written} written; {trouble.reason}", terminal.IN_PART)
    finally:
        store.queue.release(token)
    terminal.say(f"{number_of(written, 'bundle')} in {folder}, counted as delivered.")
    if rejected:
        terminal.fail(
            f"{rejected} rejected: `vision-events list --state rejected` shows them.", terminal.IN_PART
        )


def _all(store: EventStore, wanted: Filter) -> Iterator[Listed]:
    cursor = None
    while page := store.catalog.events(wanted, _PAGE, cursor):
        yield from page
        cursor = page[-1].cursor


def _tell(failures: list[str]) -> None:
    for failure in failures:
        terminal.complain(failure)
    if failures:
        terminal.fail(f"{len(failures)} failed; they are where they were.", terminal.IN_PART)
