"""`vision-events retry`, `drop` and `rekey`: what becomes of events that are stuck."""

from __future__ import annotations

from typing import Annotated

import typer

from vision_event_block.cli import device, options, terminal
from vision_event_block.keyring import fingerprint
from vision_event_block.store.listing import Filter
from vision_event_block.store.model import CLOUD, NO_CREDENTIAL, Route
from vision_event_block.wording import number_of

_PAGE = 1000

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="Ids of events, or how they begin.", show_default=False),
]


def retry(
    ids: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="All rejected events.")] = False,
) -> None:
    """Make rejected events pending again.

    Pending ones that are named are tried at once.

    \b
    vision-events retry 7f0f6c0e
    vision-events retry --all && vision-events sync
    """
    if bool(ids) == every:
        raise typer.BadParameter("name events, or give --all.")
    recorder = device.recorder()
    queue = recorder.store.queue
    if every:
        number = queue.retry()
    else:
        chosen = [device.event_named(recorder, name).id for name in ids or ()]
        number = sum(queue.retry(event_id) for event_id in chosen)
        queue.hurry(chosen)
    terminal.say(
        f"{number} pending again. A running backup takes them up; `vision-events sync` delivers them now."
    )


def drop(
    ids: Ids = None,
    rejected: Annotated[bool, typer.Option("--rejected", help="All rejected events.")] = False,
    yes: options.Yes = False,
) -> None:
    """Remove events from this device for good.

    What was delivered stays at its destination; what was not is lost.

    \b
    vision-events drop 7f0f6c0e
    vision-events drop --rejected --yes
    """
    if bool(ids) == rejected:
        raise typer.BadParameter("name events, or give --rejected.")
    recorder = device.recorder()
    store = recorder.store
    if rejected:
        number = store.counts().rejected
    else:
        chosen = [device.event_named(recorder, name) for name in ids or ()]
        number = len(chosen)
    what = number_of(number, "rejected event" if rejected else "event")
    if not yes:
        terminal.confirm(f"Remove {what} from {recorder.settings.store_path} for good?")
    gone = 0
    if not rejected:
        gone = len(store.drop([event.id for event in chosen]))
    else:
        while events := store.catalog.events(Filter(states=("rejected",)), _PAGE):
            gone += len(store.drop([event.id for event in events]))
    terminal.say(f"{gone} removed.")


def rekey(yes: options.Yes = False) -> None:
    """Hand what waits for an old API key to the new one.

    Events are delivered only with the key that they were recorded for. When that key was
    replaced by another of the same workspace, this hands them over.

    \b
    ROBOFLOW_API_KEY=the-new-one vision-events rekey
    """
    recorder = device.recorder()
    authorization = recorder.settings.authorization
    if not authorization:
        terminal.fail("There is no API key: set ROBOFLOW_API_KEY to the new one.")
    mine = Route(CLOUD, fingerprint(authorization))
    queue = recorder.store.queue
    others = [
        route
        for route in queue.routes()
        if route.destination == CLOUD and route.credential not in (NO_CREDENTIAL, mine.credential)
    ]
    if not others:
        terminal.say("Nothing waits for another key.")
        return
    if not yes:
        terminal.confirm(
            f"Events of {number_of(len(others), 'other key')} wait. If one belongs to another workspace, its "
            "events would go to the wrong one. Deliver all of them with the key that is set now?"
        )
    number = sum(queue.reroute(route, mine) for route in others)
    terminal.say(f"{number_of(number, 'event')} handed to the key that is set now.")
