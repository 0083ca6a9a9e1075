"""The cloud on loopback, as light as it can be: answers every request after a chosen time, and counts.

The real service is the destination of the tests. Here it would share two cores with what is measured.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from contextlib import suppress
from typing import Any


class StandIn:
    """What it counts, and how late it answers (seconds)."""

    def __init__(self) -> None:
        self.latency = 0.0
        self.reset()

    def reset(self) -> None:
        self.requests = self.connections = self.uploads = 0
        self.images: set[str] = set()
        self.arrived: list[tuple[str, float]] = []

    def stats(self) -> dict[str, Any]:
        """Events as (id, Unix time of arrival), once for each time that one was written."""
        return {
            "requests": self.requests, "connections": self.connections, "uploads": self.uploads,
            "images": len(self.images), "arrived": self.arrived,
        }  # fmt: skip

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        counted = False
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                path = head.split(" ", 2)[1]
                size = next(
                    (int(line[15:]) for line in head.split("\r\n") if line[:15].lower() == "content-length:"),
                    0,
                )
                body = await reader.readexactly(size)
                if path.startswith("/control/"):
                    answer = self._control(path.removeprefix("/control/"))
                else:
                    self.connections += not counted
                    counted = True
                    self.requests += 1
                    due = time.monotonic() + self.latency
                    answer = self._answer(path, body)
                    await asyncio.sleep(max(due - time.monotonic(), 0.0))
                text = json.dumps(answer).encode()
                kind = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: "
                writer.write(kind + str(len(text)).encode() + b"\r\n\r\n" + text)
        writer.close()

    def _control(self, what: str) -> Any:
        if what.startswith("latency/"):
            self.latency = float(what.partition("/")[2])
        if what == "reset":
            self.reset()
        return self.stats() if what == "stats" else {}

    def _answer(self, path: str, body: bytes) -> dict[str, Any]:
        now = time.time()
        if path == "/vision-events/upload":
            digest = hashlib.sha1(body[body.index(b"\r\n\r\n") : -60], usedforsecurity=False).hexdigest()
            self.uploads += 1
            self.images.add(digest)
            return {"success": True, "sourceId": f"src-{self.uploads}"}
        events = json.loads(body)
        if path == "/vision-events/batch":
            ids = [event["eventId"] for event in events["events"]]
            self.arrived += [(event_id, now) for event_id in ids]
            return {"created": len(ids), "eventIds": ids}
        event_id = events.get("eventId") or f"local-{len(self.arrived)}"
        self.arrived.append((event_id, now))
        return {"eventId": event_id, "id": event_id, "created": True}


async def _main() -> None:
    standin = StandIn()
    server = await asyncio.start_server(standin.serve, "127.0.0.1", 0, backlog=512, limit=2**26)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Ends with whoever started it.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())
