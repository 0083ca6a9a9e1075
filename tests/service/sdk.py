"""The vendor's SDK against the place that API_URL names; prints what it was answered."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone

from roboflow.core.workspace import Workspace


def main(key: str, image_path: str) -> None:
    workspace = Workspace({"workspace": {"name": "w", "projects": [], "url": "w"}}, key, "w", "yolov8")
    said = {}
    said["created_use_case"] = workspace.create_vision_event_use_case("Lid check")
    use_case = said["created_use_case"]["id"]
    said["renamed"] = workspace.rename_vision_event_use_case(use_case, "Lids")
    said["archived"] = workspace.archive_vision_event_use_case(use_case)
    said["unarchived"] = workspace.unarchive_vision_event_use_case(use_case)
    said["use_cases"] = workspace.list_vision_event_use_cases()
    said["uploaded"] = workspace.upload_vision_event_image(
        image_path, name="frame", metadata={"lens": "wide"}
    )
    events = [
        {
            "eventId": f"sdk-{number}",
            "eventType": "quality_check",
            "useCaseId": use_case,
            "timestamp": datetime.now(timezone.utc).isoformat(),
            "images": [{"sourceId": said["uploaded"]["sourceId"]}],
            "eventData": {"result": "pass"},
            "customMetadata": {"number": number},
        }
        for number in range(5)
    ]
    said["written"] = workspace.write_vision_event(events[0])
    said["batch"] = workspace.write_vision_events_batch(events[1:])
    said["page"] = workspace.query_vision_events(use_case, event_type="quality_check", limit=2)
    said["all"] = [
        event["eventId"]
        for page in workspace.query_all_vision_events(use_case, limit=2)
        for event in (page if isinstance(page, list) else [page])
    ]
    said["schema"] = workspace.get_vision_event_metadata_schema(use_case)
    try:
        workspace.write_vision_event({**events[0], "useCaseId": "nope"})
    except Exception as error:  # the SDK has one error for everything
        said["error"] = str(error)
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
