"""The network between a device and a service: it can fail, lose, delay and be cut."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.site import Site

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}


@dataclass
class Request:
    """A request that came by, and the status it was answered with (0: none)."""

    method: str
    path: str
    key: str | None
    headers: dict[str, str]
    body: bytes
    number: int
    status: int = 0
    answer: bytes = b""
    answer_was_lost: bool = False
    """The service processed it, and whoever asked never knew."""
    at: float = field(default_factory=time.time)


@dataclass
class Fault:
    """What to do instead of passing on. `after` faults happen once the service has processed the request."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: str = '{"error": "told to fail"}'
    drop: bool = False
    reset: bool = False
    """Ends the connection with a reset instead of in order."""
    truncate: bool = False
    """Passes on half of the answer."""
    after: bool = False
    delay: float = 0.0
    throttle: float = 0.0
    """Bytes in a second."""
    instead: bytes | None = None
    """Passed on in place of the body."""


class Link:
    """Passes requests on to a service. `fault` is asked before each; None means: behave."""

    def __init__(self, site: Site, port: int = 0) -> None:
        self.site = site
        self.requests: list[Request] = []
        self.connections = 0
        self.fault: Callable[[Request], Fault | None] = lambda request: None
        self._lock = threading.Lock()
        self._port = port
        self._server: _Server | None = None
        self.start()

    @classmethod
    def to_new_site(cls, folder: Path, **settings: Any) -> Link:
        folder.mkdir(exist_ok=True)
        return cls(Site(folder, use_cases=("uc", "uc-2"), **settings))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def events(self) -> dict[str, dict[str, Any]]:
        return self.site.events

    @property
    def ids(self) -> set[str]:
        """Ids of the events that arrived."""
        return {event.id for event in self.site.store.catalog.events(limit=100_000)}

    @property
    def images(self) -> dict[str, bytes]:
        """Every uploaded image by its source id."""
        answers = self._answers("/vision-events/upload")
        return {answer["sourceId"]: self.site.store.image(answer["sourceId"]).data for answer in answers}

    @property
    def writes(self) -> list[str]:
        """Ids of events in the order in which they were written, once for each time."""
        single = [("/vision-events", lambda answer: [answer["eventId"]])]
        paths = dict([*single, ("/vision-events/batch", lambda answer: answer["eventIds"])])
        return [
            event_id
            for request in list(self.requests)
            if request.path in paths and request.status == 201
            for event_id in paths[request.path](json.loads(request.answer))
        ]

    @property
    def key_of(self) -> dict[str, str | None]:
        """The key that each event was written with."""
        return {
            event["eventId"]: request.key
            for request in self.requests
            if request.status == 201 and request.path in ("/vision-events", "/vision-events/batch")
            for body in [json.loads(request.body)]
            for event in body.get("events", [body])
        }

    def referenced_images(self) -> set[str]:
        return {
            image[key]
            for event in self.events.values()
            for image in event.get("images", [])
            for key in ("sourceId", "inputSourceId")
            if key in image
        }

    def count(self, path: str) -> int:
        return sum(request.path == path for request in self.requests)

    def start(self) -> None:
        link = self

        class Handler(_Handler):
            state = link

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

    def close(self) -> None:
        self.stop()
        self.site.close()

    def note(self, request: Request) -> Fault | None:
        with self._lock:
            request.number = len(self.requests)
            self.requests.append(request)
            return self.fault(request)

    def _answers(self, path: str) -> list[dict[str, Any]]:
        return [json.loads(r.answer) for r in list(self.requests) if r.path == path and r.status == 201]


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
    state: Link

    def setup(self) -> None:
        super().setup()
        self._upstream = http.client.HTTPConnection("127.0.0.1", self.state.site.port, timeout=30)
        self.state.connections += 1

    def finish(self) -> None:
        self._upstream.close()
        super().finish()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        key = self.headers.get("Authorization", "").removeprefix("Bearer ") or self.headers.get("X-API-Key")
        request = Request(self.command, self.path, key, dict(self.headers.items()), body, 0)
        fault = self.state.note(request) or Fault()
        time.sleep(fault.delay + (len(body) / fault.throttle if fault.throttle else 0))
        if fault.after:
            self._pass_on(request, body)
            request.answer_was_lost = True
        try:
            self._give(fault, request, body)
        except OSError:
            request.answer_was_lost = True
            raise

    def _give(self, fault: Fault, request: Request, body: bytes) -> None:
        if fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if fault.drop or fault.reset:
            self.close_connection = True
            self.connection.close()
        elif fault.status:
            request.status = request.status or fault.status
            self._answer(
                fault.status, fault.body.encode(), {"Content-Type": "application/json", **fault.headers}
            )
        else:
            status, answer, headers = self._pass_on(request, body if fault.instead is None else fault.instead)
            request.answer_was_lost = fault.truncate
            self._answer(status, answer, headers, len(answer) // 2 if fault.truncate else len(answer))

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the names of the library

    def _pass_on(self, request: Request, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        self._upstream.request(request.method, request.path, body, headers)
        response = self._upstream.getresponse()
        answer = response.read()
        request.answer, request.status = answer, response.status
        kept = {k: v for k, v in response.getheaders() if k.lower() not in _HOP_BY_HOP}
        return response.status, answer, kept

    def _answer(self, status: int, body: bytes, headers: dict[str, str], sent: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:sent])
        if sent is not None and sent < len(body):
            self.close_connection = True

    def log_message(self, *args: Any) -> None:
        """Quiet."""
