"""Counts the coins on a real photograph in the real Workflows engine and records a Vision Event.

Needs no key, no account and no network. With ROBOFLOW_API_KEY set, the event is delivered too; give
the id of a use case of your workspace with --use-case then.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import warnings
from datetime import datetime
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Runs the Workflow once and shows what it left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--use-case", default="coin-count", help="id of the use case of the event")
    parser.add_argument(
        "--folder", type=Path, default=Path("demo"), help="where the event store and the pictures go"
    )
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("VISION_EVENTS_STORE", str(arguments.folder.absolute() / "events.db"))
    os.environ["WORKFLOWS_PLUGINS"] = "vision_event_block"

    result = run_workflow(arguments.use_case)
    print(f"\nThe Workflow found {result['coins']} coins. {result['message']}\n")
    show(arguments.folder, bool(os.getenv("ROBOFLOW_API_KEY")))


def run_workflow(use_case: str) -> dict[str, object]:
    """One run of count_coins.json on the photograph of coins that scikit-image brings along."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.INFO)
    import cv2
    import skimage.data
    from roboflow_workflows.execution_engine.core import ExecutionEngine

    photo = cv2.cvtColor(skimage.data.coins(), cv2.COLOR_GRAY2BGR)
    one_coin = photo[105:149, 131:175].copy()
    engine = ExecutionEngine.init(json.loads((HERE / "count_coins.json").read_text()), init_parameters={})
    inputs = {"image": photo, "template": one_coin, "use_case": use_case}
    return engine.run(runtime_parameters=inputs)[0]


def show(folder: Path, has_key: bool) -> None:
    """What is in the event store, with the pictures written out as files."""
    from rich.console import Console
    from rich.table import Table

    from vision_event_block.recorder import shared_recorder

    recorder = shared_recorder()
    if has_key:
        recorder.flush(timeout=30)
    table = Table(title="Recorded Vision Events, newest first", show_header=False)
    for event in recorder.store.catalog.events(limit=5):
        body = json.loads(event.body)
        detections = sum(
            len(found)
            for image in body.get("images", [])
            for found in image.values()
            if isinstance(found, list)
        )
        table.add_row("event", event.id)
        table.add_row(
            "captured", datetime.fromtimestamp(event.captured_at).astimezone().isoformat(" ", "seconds")
        )
        table.add_row("type", f"{event.event_type} {json.dumps(body.get('eventData', {}))}")
        table.add_row("use case", event.use_case)
        table.add_row("detections", str(detections))
        table.add_row("state", f"{event.state}: {event.reason}" if event.reason else event.state)
        for place, sha256 in sorted(event.images.items()):
            table.add_row(f"{place[1]} image", str(write_image(folder, event.id, place, sha256)))
        table.add_section()
    Console().print(table)
    print(f"They are in the event store {recorder.settings.store_path}.")
    if not has_key:
        print("Set ROBOFLOW_API_KEY and run it again: what is pending is delivered then.")


def write_image(folder: Path, event_id: str, place: tuple[int, str], sha256: str) -> Path:
    """Writes one picture of an event from the store to a file."""
    from vision_event_block.recorder import shared_recorder

    found = shared_recorder().store.image(sha256)
    path = folder / f"{event_id[:8]}-{place[1]}.jpg"
    path.write_bytes(found.data if found else b"")
    return path


if __name__ == "__main__":
    main()
