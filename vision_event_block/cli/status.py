"""`vision-events status`: how this device is, in one look."""

from __future__ import annotations

import time
from typing import Any

from vision_event_block.cli import device, terminal
from vision_event_block.cli.options import AsJson
from vision_event_block.status import DeviceStatus, device_status
from vision_event_block.store.listing import UseCaseCounts
from vision_event_block.wording import duration, iso, moment, size


def status(as_json: AsJson = False) -> None:
    """Show the counts and the state of the backup.

    \b
    vision-events status
    vision-events status --json | jq .pending
    """
    recorder = device.recorder()
    found = device_status(recorder)
    cases = recorder.store.catalog.by_use_case()
    if as_json:
        terminal.say_json(_document(str(recorder.settings.store_path), found, cases))
        return
    counts = found.counts
    terminal.facts(
        [
            ("Event store", recorder.settings.store_path),
            ("Backup", found.backup_message),
            *(("Next attempt", f"in {duration(w.until - time.time())}") for w in found.waiting if w.until),
            (
                "Pending",
                f"{counts.pending}, oldest {duration(found.oldest_pending_seconds)} old"
                if counts.pending
                else "0",
            ),
            ("Delivered", counts.delivered),
            ("Rejected", counts.rejected),
            ("Refused", ", ".join(f"{number} {reason}" for reason, number in counts.refused.items())),
            ("Dropped", counts.dropped or ""),
            (
                "Room",
                f"{size(counts.bytes)} of {size(found.quota.bytes)}, {size(found.disk_free)} free on the disk",
            ),
        ]
    )
    if cases:
        terminal.say()
        terminal.table(
            ["USE CASE", "PENDING", "DELIVERED", "REJECTED", "LAST CAPTURED", "LAST ERROR"],
            [(c.use_case, c.pending, c.delivered, c.rejected, moment(c.last_captured_at), c.last_reason) for c in cases],
            right=["PENDING", "DELIVERED", "REJECTED"],
        )  # fmt: skip


def _document(store: str, found: DeviceStatus, cases: list[UseCaseCounts]) -> dict[str, Any]:
    counts = found.counts
    return {
        "store": store,
        "backup": found.backup,
        "backup_message": found.backup_message,
        "waiting": [
            {"destination": w.destination, "reason": w.reason, "next_attempt": iso(w.until) if w.until else None}
            for w in found.waiting
        ],
        "recorded": counts.recorded,
        "pending": counts.pending,
        "oldest_pending_seconds": round(found.oldest_pending_seconds, 3),
        "delivered": counts.delivered,
        "rejected": counts.rejected,
        "dropped": counts.dropped,
        "refused": dict(counts.refused),
        "bytes": counts.bytes,
        "max_bytes": found.quota.bytes,
        "disk_free": found.disk_free,
        "use_cases": [
            {
                "use_case": c.use_case, "pending": c.pending, "delivered": c.delivered, "rejected": c.rejected,
                "last_captured_at": iso(c.last_captured_at), "last_error": c.last_reason,
            }
            for c in cases
        ],
    }  # fmt: skip
