"""Who may come in: keys of programs, the session of a browser, and requests that other sites started."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from urllib.parse import quote

from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from vision_event_block.server.problems import problem

SESSION_COOKIE = "vision_events_session"
_OPEN_PATHS = ("/health", "/sign-in")
_OPEN_PREFIX = "/static/"
# Whatever lies under these answers programs; the rest is pages.
_PROGRAMS = ("/vision-events", "/v2", "/metrics", "/docs", "/openapi.json", "/redoc")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SAFE = ("GET", "HEAD", "OPTIONS")
_HOST = re.compile(r"(\[(?P<ip6>[0-9a-fA-F:.]+)\]|(?P<name>[\w.-]+))(:\d+)?", re.ASCII)


class Keys:
    """The keys that the service takes, compared in constant time."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._digests = [_digest(key) for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def accept(self, key: str) -> bool:
        """Whether this is one of the keys. Takes the same time for every wrong one."""
        given = _digest(key)
        matches = [hmac.compare_digest(digest, given) for digest in self._digests]
        return any(matches)

    def session_of(self, key: str) -> str:
        """What a browser keeps instead of a key: the key cannot be had from it, and it ends with the key."""
        return hmac.new(_digest(key), b"vision_event_block/session", hashlib.sha256).hexdigest()

    def accept_session(self, session: str) -> bool:
        """Whether this is the session of one of the keys."""
        ours = (hmac.new(d, b"vision_event_block/session", hashlib.sha256) for d in self._digests)
        matches = [hmac.compare_digest(mac.hexdigest().encode(), session.encode()) for mac in ours]
        return any(matches)


class Guard:
    """ASGI middleware in front of everything.

    Without keys the service listens on loopback, and answers only to that name, so that no page of
    the web can reach it under a name of its own (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(Request(scope)) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        path: str = request.scope["path"]
        name = _hostname(request.headers.get("host", ""))
        if name is None:
            return problem(path, 400, "The Host header is no host name.")
        if not self._keys and name not in _LOOPBACK:
            message = (
                f"This service takes no key, so it answers to localhost only, not to {name!r}. "
                "Set VISION_EVENTS_SERVER_KEYS to reach it by other names."
            )
            return problem(path, 403, message)
        if _comes_from_elsewhere(request):
            return problem(path, 403, "This request was started by another site.")
        if not self._keys or path in _OPEN_PATHS or path.startswith(_OPEN_PREFIX) or self._is_known(request):
            return None
        if path.startswith(_PROGRAMS):
            message = "The key is missing or wrong: send it as `Authorization: Bearer …` or `X-API-Key`."
            return problem(path, 401, message, {"WWW-Authenticate": "Bearer"})
        target = path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(str(URL("/sign-in").include_query_params(to=quote(target))), 303)

    def _is_known(self, request: Request) -> bool:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        given = [
            bearer.strip() if scheme.lower() == "bearer" else "",
            request.headers.get("x-api-key", ""),
            # Documented for bundles; our own clients keep keys out of URLs.
            request.query_params.get("api_key", ""),
        ]
        if any(key and self._keys.accept(key) for key in given):
            return True
        session = request.cookies.get(SESSION_COOKIE)
        return bool(session) and self._keys.accept_session(session or "")


def _hostname(host: str) -> str | None:
    """The name in a Host header, without its port; None if it is no name."""
    found = _HOST.fullmatch(host)
    return None if found is None else (found["ip6"] or found["name"]).lower()


def _comes_from_elsewhere(request: Request) -> bool:
    """Whether a browser was made by another site to change something here."""
    if request.method in _SAFE:
        return False
    # What the browser says of itself; a proxy in between may change the host, and not this.
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host", "")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
