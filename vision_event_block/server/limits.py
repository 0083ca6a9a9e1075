"""Requests that are too large are refused before they are read."""

from __future__ import annotations

from fastapi import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vision_event_block.server.problems import problem


class BodyLimit:
    """ASGI middleware: 413 for a body over the limit, whether its length is declared or not."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request = Request(scope)
        message = f"The request is larger than {self._limit} bytes (VISION_EVENTS_MAX_REQUEST_BYTES)."
        # It is not read to its end, so the connection cannot be used again.
        refusal = problem(request.url.path, 413, message, {"Connection": "close"})
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._limit:
            return await refusal(scope, receive, send)
        read = 0

        async def counted() -> Message:
            nonlocal read
            part = await receive()
            read += len(part.get("body", b""))
            if read > self._limit:
                raise HTTPException(413, message, {"Connection": "close"})
            return part

        return await self._app(scope, counted, send)
