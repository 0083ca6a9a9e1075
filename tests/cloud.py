"""A stand-in for the cloud: the part of the Vision Events API that this package writes to, on loopback.

It keeps what it is sent, refuses what the contract refuses, and can be told to misbehave.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "rf_key_of_the_plant_0123456789"
EVENT_TYPES = {"quality_check", "inventory_count", "safety_alert", "custom", "operator_feedback"}


@dataclass
class Request:
    path: str
    key: str | None
    headers: dict[str, str]
    body: bytes
    number: int


@dataclass
class Fault:
    """What to do instead of answering properly. `after` faults happen once the request is processed."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: str = '{"error": "told to fail"}'
    drop: bool = False
    after: bool = False
    delay: float = 0.0


class RefusalError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Cloud:
    """The server and its state. `fault` is asked before each request; None means: behave."""

    def __init__(self, port: int = 0) -> None:
        self.workspaces = {KEY: "plant"}
        self.use_cases = {"uc", "uc-2"}
        self.images: dict[str, bytes] = {}
        self.events: dict[str, dict[str, Any]] = {}
        self.owner: dict[str, str] = {}
        self.writes: list[str] = []
        self.requests: list[Request] = []
        self.fault: Callable[[Request], Fault | None] = lambda request: None
        self.partial: Callable[[dict[str, Any]], bool] = lambda event: False
        self._lock = threading.RLock()
        self._port = port
        self._server: ThreadingHTTPServer | None = None
        self._connections = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        cloud = self

        class Handler(_Handler):
            state = cloud

        self._server = _Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def stop(self) -> None:
        """The network is gone: nobody listens, and open connections break."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            for connection in list(self._server.open):
                with contextlib.suppress(OSError):
                    connection.shutdown(2)
            self._server = None

    def count(self, path: str) -> int:
        return sum(request.path == path for request in self.requests)

    def referenced_images(self) -> set[str]:
        return {
            image[key]
            for event in self.events.values()
            for image in event.get("images", [])
            for key in ("sourceId", "inputSourceId")
            if key in image
        }

    def process(self, request: Request) -> tuple[int, dict[str, Any]]:
        with self._lock:
            workspace = self.workspaces.get(request.key or "")
            if workspace is None:
                raise RefusalError(401, "This API key does not exist.")
            if request.path == "/vision-events/upload":
                return self._upload(request)
            body = json.loads(
                request.body, parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name))
            )
            if request.path == "/vision-events":
                created = self._create(body, workspace)
                return 201, {"eventId": body["eventId"], "created": created}
            if request.path == "/vision-events/batch":
                return self._batch(body, workspace)
            raise RefusalError(404, "No such route.")

    def _upload(self, request: Request) -> tuple[int, dict[str, Any]]:
        head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
        parts = {
            part.get_param("name", header="content-disposition"): part
            for part in BytesParser().parsebytes(head + request.body).get_payload()
        }
        if "file" not in parts:
            raise RefusalError(400, "file is required")
        data = parts["file"].get_payload(decode=True)
        if not data.startswith((b"\xff\xd8", b"\x89PNG")):
            raise RefusalError(415, "not an image")
        source_id = f"ve-img-{len(self.images)}"
        self.images[source_id] = data
        return 201, {"success": True, "sourceId": source_id, "url": f"{self.url}/images/{source_id}"}

    def _batch(self, body: dict[str, Any], workspace: str) -> tuple[int, dict[str, Any]]:
        events = body["events"]
        if len(events) > 100:
            raise RefusalError(400, "at most 100 events")
        for event in events:
            if not self.partial(event):
                self._check(event)
        created = [event["eventId"] for event in events if not self.partial(event)]
        for event in events:
            if event["eventId"] in created:
                self._create(event, workspace)
        return 201, {"created": len(created), "eventIds": created}

    def _create(self, event: dict[str, Any], workspace: str) -> bool:
        self._check(event)
        if self.partial(event):
            raise RefusalError(400, "eventData.result: must be pass or fail")
        new = event["eventId"] not in self.events
        self.events[event["eventId"]] = event
        self.owner[event["eventId"]] = workspace
        self.writes.append(event["eventId"])
        return new

    def _check(self, event: dict[str, Any]) -> None:
        for name in ("eventId", "eventType", "useCaseId", "timestamp"):
            if not isinstance(event.get(name), str):
                raise RefusalError(400, f"{name} is required")
        if event["eventType"] not in EVENT_TYPES:
            raise RefusalError(400, f"eventType {event['eventType']} is unknown")
        if event["useCaseId"] not in self.use_cases:
            raise RefusalError(404, f"Use case {event['useCaseId']} does not exist.")
        for image in event.get("images", []):
            for key in ("sourceId", "inputSourceId"):
                if key in image and image[key] not in self.images:
                    raise RefusalError(400, f"{key} {image[key]} was never uploaded")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, *args: Any) -> None:
        self.open: set[Any] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state: Cloud

    def setup(self) -> None:
        super().setup()
        with self.state._lock:
            self.state._connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        authorization = self.headers.get("Authorization", "")
        with self.state._lock:
            request = Request(
                self.path,
                authorization.removeprefix("Bearer ") or None,
                dict(self.headers.items()),
                body,
                len(self.state.requests),
            )
            self.state.requests.append(request)
            fault = self.state.fault(request)
        if fault is not None:
            time.sleep(fault.delay)
            if fault.after:
                self._processed(request)
            if fault.drop:
                self.close_connection = True
                self.connection.close()
                return
            if fault.status:
                self._answer(fault.status, fault.body.encode(), fault.headers)
                return
        status, answer = self._processed(request)
        self._answer(status, json.dumps(answer).encode(), {})

    def _processed(self, request: Request) -> tuple[int, dict[str, Any]]:
        try:
            return self.state.process(request)
        except RefusalError as refusal:
            return refusal.status, {"error": str(refusal)}
        except ValueError as error:
            return 400, {"error": f"invalid JSON: {error}"}

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Quiet."""
