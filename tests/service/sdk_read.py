"""Prints the events of a use case as the vendor's SDK reads them from the place that API_URL names."""

from __future__ import annotations

import json
import sys

from roboflow.core.workspace import Workspace


def main(key: str, use_case: str) -> None:
    workspace = Workspace({"workspace": {"name": "w", "projects": [], "url": "w"}}, key, "w", "yolov8")
    pages = workspace.query_all_vision_events(use_case, limit=3)
    print(json.dumps([event for page in pages for event in (page if isinstance(page, list) else [page])]))


if __name__ == "__main__":
    main(*sys.argv[1:])
