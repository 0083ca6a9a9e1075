"""`vision-events demo`: a Vision Event from a real photograph, with no key, no account and no network."""

from __future__ import annotations

import json
import logging
import os
import warnings
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer

from vision_event_block.cli import events, terminal

_MISSING = (
    "The demo runs the Workflows engine on a photograph of scikit-image, and {name!r} is not installed: "
    "pip install 'vision-event-block[inference,demo]', or 'vision-event-block[demo]' where an inference is."
)


def demo(
    use_case: Annotated[
        str, typer.Option("--use-case", help="Id of the use case of the event.")
    ] = "coin-count",
    folder: Annotated[Path, typer.Option(help="Where the event store and the pictures go.")] = Path("demo"),
) -> None:
    """Record a Vision Event from a real photograph.

    A Workflow in the real engine counts the coins on it. Needs no key, no account and no network. With ROBOFLOW_API_KEY set the event is delivered, too:
    give the id of a use case of your workspace then.

    \b
    vision-events demo
    ROBOFLOW_API_KEY=... vision-events demo --use-case 8fk3lq0z
    """
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["VISION_EVENTS_STORE"] = os.getenv("VISION_EVENTS_STORE") or str(
        folder.absolute() / "events.db"
    )
    os.environ["WORKFLOWS_PLUGINS"] = "vision_event_block"
    try:
        result = _run_workflow(use_case)
    except ModuleNotFoundError as error:
        terminal.fail(_MISSING.format(name=error.name))
    terminal.say(f"\nThe Workflow found {result['coins']} coins. {result['message']}\n")
    _show(folder)


def _run_workflow(use_case: str) -> dict[str, Any]:
    """One run of count_coins.json on the photograph of coins that scikit-image brings along."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.INFO)
    import cv2
    import skimage.data

    from vision_event_block.blocks.engine import engine_module

    definition = json.loads(resources.files(__package__).joinpath("count_coins.json").read_text())
    coins: Any = skimage.data.coins
    photo = cv2.cvtColor(coins(), cv2.COLOR_GRAY2BGR)
    one_coin = photo[105:149, 131:175].copy()
    engine = engine_module("execution_engine.core").ExecutionEngine.init(definition, init_parameters={})
    result: dict[str, Any] = engine.run(
        runtime_parameters={"image": photo, "template": one_coin, "use_case": use_case}
    )[0]
    return result


def _show(folder: Path) -> None:
    from vision_event_block.shared import shared_recorder

    recorder = shared_recorder()
    has_key = recorder.settings.authorization is not None
    if has_key:
        recorder.flush()
    (event,) = recorder.store.catalog.events(limit=1)
    events.print_event(recorder, event)
    terminal.say()
    for path in events.write_images(recorder, event, folder):
        terminal.say(f"Written: {path}")
    terminal.say(f"It is in the event store {recorder.settings.store_path}.")
    if not has_key:
        terminal.say("Set ROBOFLOW_API_KEY and run it again: what is pending is delivered then.")
