"""Requests of JSON over HTTP: sent once, their errors typed, their credential never shown."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import requests
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from requests.auth import AuthBase
from urllib3 import encode_multipart_formdata
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from vision_event_block.errors import (
    ApiError,
    AuthenticationError,
    NetworkError,
    PayloadRejected,
    RateLimited,
    ServerError,
)

# (connect, read) in seconds; the read limit is that of the stock block.
DEFAULT_TIMEOUT = (10.0, 30.0)
_SHOWN_BODY = 2000
_USUAL_HEADERS = {"Accept": "application/json", "User-Agent": requests.utils.default_user_agent()}
_TRY_AGAIN = (407, 408, 421, 423, 425)


class Answer(BaseModel):
    """Base of what a destination answers; keys that nobody knows yet are kept."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True)


AnswerT = TypeVar("AnswerT", bound=Answer)


class Credential(AuthBase):
    """A header that says who asks. It is set last, so that a .netrc cannot replace it."""

    def __init__(self, value: str, header: str = "Authorization") -> None:
        self._value = value
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._header] = self._value
        return request

    def hide(self, text: str) -> str:
        """The text without the credential, should a server or a library have repeated it."""
        for secret in (self._value, self._value.partition(" ")[2]):
            if secret:
                text = text.replace(secret, "***")
        return text


class _Nobody(Credential):
    def __init__(self) -> None:
        super().__init__("")

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


@dataclass(frozen=True)
class Exchange:
    """A request, as `POST /path`, and the answer that came."""

    request: str
    response: requests.Response


class Transport:
    """Requests to one server with one credential. Safe to use from several threads; each keeps its connections."""

    def __init__(
        self,
        base_url: str,
        credential: Credential | None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: tuple[float, float] = DEFAULT_TIMEOUT,
    ) -> None:
        self.base_url = base_url
        self._credential = credential or _Nobody()
        self._headers = dict(headers or {})
        self._timeout = timeout
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._lock = threading.Lock()

    def send(
        self,
        method: str,
        path: str,
        url: str,
        *,
        body: Any = None,
        data: bytes | None = None,
        files: Mapping[str, str | tuple[str, bytes, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Sends a request; `path` names it in messages.

        Args:
            body: Sent as JSON.
            data: Sent as it is.
            files: Sent as `multipart/form-data`: by name the text, or file name, content and media type.

        Raises:
            NetworkError: No answer came.
            ApiError: An answer that is not a success.
        """
        request = f"{method} {path}"
        sent = {**self._headers, **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json"
            data = json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
        if files is not None:
            data, sent["Content-Type"] = encode_multipart_formdata(files)
        try:
            response = self._give(method, url, sent, data)
        except (requests.RequestException, OSError) as error:
            reason = self._credential.hide(f"{request} got no answer from {self.base_url}: {_cause(error)}")
            # The cause is not chained: its traceback holds the request with its headers.
            raise NetworkError(reason, request, was_sent=not _is_before_sending(error)) from None
        if not 200 <= response.status_code < 300:
            raise self._error(request, response)
        return Exchange(request, response)

    def _give(
        self, method: str, url: str, headers: Mapping[str, str], data: bytes | None
    ) -> requests.Response:
        """Hands a request to the adapter of requests.

        What a session does beside (cookies, redirects, its settings and those of the environment merged for
        each request) is not wanted here, and costs as much as the request.
        """
        session = self._session(url)
        prepared = requests.PreparedRequest()
        prepared.prepare(method, url, {**_USUAL_HEADERS, **headers}, data=data, auth=self._credential)
        return session.get_adapter(url).send(
            prepared,
            timeout=self._timeout,
            verify=session.verify or False,
            cert=session.cert,
            proxies=session.proxies,
        )

    def parse(self, kind: type[AnswerT], exchange: Exchange) -> AnswerT:
        """The answer as its type.

        Raises:
            ServerError: If it is something else.
        """
        # A hotel or plant network answers 200 with its login page: that is no delivery.
        response = exchange.response
        try:
            return kind.model_validate(response.json())
        except (ValueError, ValidationError):
            body = self._credential.hide(response.text)[:_SHOWN_BODY]
            raise ServerError(
                response.status_code, f"not an answer of the API: {body}", exchange.request
            ) from None

    def close(self) -> None:
        """Closes the connections of all threads."""
        with self._lock:
            sessions, self._sessions = self._sessions, []
            self._local = threading.local()
        for session in sessions:
            session.close()

    def _session(self, url: str) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            # Proxies and certificates of the environment are read once: all requests go to one host, and
            # reading them anew for each costs as much as sending it.
            found = session.merge_environment_settings(url, {}, None, None, None)
            session.proxies, session.verify, session.cert = found["proxies"], found["verify"], found["cert"]
            session.trust_env = False
            with self._lock:
                self._sessions.append(session)
        return session

    def _error(self, request: str, response: requests.Response) -> ApiError:
        status = response.status_code
        body = self._credential.hide(_message(response))[:_SHOWN_BODY]
        kind: type[ApiError]
        if status in (401, 402, 403):
            kind = AuthenticationError
        elif status == 429:
            kind = RateLimited
        elif 400 <= status < 500 and status not in _TRY_AGAIN and not _is_not_the_api(response):
            kind = PayloadRejected
        else:
            kind = ServerError
        return kind(status, body, request, retry_after(response.headers.get("Retry-After")))


def retry_after(header: str | None) -> float | None:
    """Seconds that a Retry-After header asks to wait: a number or an HTTP date; None for anything else."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            moment = parsedate_to_datetime(header)
        except (TypeError, ValueError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        seconds = (moment - datetime.now(timezone.utc)).total_seconds()
    return max(seconds, 0.0) if seconds == seconds else None


def _message(response: requests.Response) -> str:
    """What the server says went wrong: `error`, `message` or `detail` of its JSON, or the text."""
    try:
        body = response.json()
    except ValueError:
        return response.text.strip()
    if isinstance(body, dict):
        for key in ("error", "message", "detail"):
            if body.get(key):
                return body[key] if isinstance(body[key], str) else json.dumps(body[key])
    return response.text.strip()


def _is_not_the_api(response: requests.Response) -> bool:
    """Whether a 404 or 405 comes from something else at that address, such as a proxy or a wrong base URL."""
    return response.status_code in (404, 405) and "json" not in response.headers.get("Content-Type", "")


def _cause(error: BaseException) -> str:
    """What the operating system said, such as `Connection refused`, without the wrapping of the libraries."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        error, inner = inner, _inside(inner)
    return str(error) or type(error).__name__


def _is_before_sending(error: BaseException | None) -> bool:
    """Whether there was not even a connection. A kept one that breaks may have carried the request."""
    while error is not None:
        if isinstance(error, NewConnectionError | ConnectTimeoutError):
            return True
        error = _inside(error)
    return False


def _inside(error: BaseException) -> BaseException | None:
    for inner in (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__):
        if isinstance(inner, BaseException):
            return inner
    return None
