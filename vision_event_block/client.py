"""The Vision Events REST API as a typed client.

https://docs.roboflow.com/developer/rest-api/vision-events
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, TypeVar

import requests
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from requests.auth import AuthBase

from vision_event_block.errors import (
    ApiError,
    AuthenticationError,
    NetworkError,
    PayloadRejected,
    RateLimited,
    ServerError,
)
from vision_event_block.event import MAX_BATCH, VisionEvent
from vision_event_block.settings import Settings

# (connect, read) in seconds; the read limit is that of the stock block.
DEFAULT_TIMEOUT = (10.0, 30.0)
_SHOWN_BODY = 2000
_TRY_AGAIN = (407, 408, 421, 423, 425)
_EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png"}


class _Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True)


_AnswerT = TypeVar("_AnswerT", bound=_Answer)


class UploadedImage(_Answer):
    """The answer to an upload: `source_id` names the image in events."""

    source_id: str
    url: str | None = None


class CreatedEvent(_Answer):
    """The answer to an event. `created` may be false or absent when the id replaced an earlier event."""

    event_id: str | None = None
    created: bool | int | None = None


class CreatedBatch(_Answer):
    """The answer to a batch. Fewer `created` than sent means that some were refused without saying why."""

    created: int | None = None
    event_ids: list[str] | None = None


class _Authorization(AuthBase):
    """Sets the header itself, so that a .netrc cannot replace it, and shows it to nobody."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request

    def hide(self, text: str) -> str:
        """The text without the credential, should a server or a library have repeated it."""
        for secret in (self._value, self._value.partition(" ")[2]):
            if secret:
                text = text.replace(secret, "***")
        return text


class VisionEventsClient:
    """One destination and one credential. Safe to use from several threads; each keeps its connections.

    It sends each request once: whether a retry is safe and when is for the caller to say.

    Raises (all methods):
        NetworkError: No answer came; the request may or may not have been processed.
        AuthenticationError, PayloadRejected, RateLimited, ServerError: The server's answer.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        authorization: str | None = None,
        settings: Settings | None = None,
        timeout: tuple[float, float] = DEFAULT_TIMEOUT,
    ) -> None:
        """Args:
        api_key: Roboflow API key with the scope `vision-events:write`; absent, that of the settings.
        authorization: Whole value of the Authorization header, instead of a key.
        settings: Base URL, extra headers and gateway; absent, from the environment.
        timeout: Seconds to connect and to wait for an answer.

        Raises:
            ValueError: If there is no credential at all.
        """
        self._settings = settings or Settings()
        value = authorization or self._settings.authorization_for(api_key)
        if not value:
            raise ValueError("No API key: pass api_key, or set ROBOFLOW_API_KEY.")
        self._auth = _Authorization(value)
        self._timeout = timeout
        self._headers = {
            k: v for k, v in self._settings.extra_headers.items() if k.lower() != "authorization"
        }
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._lock = threading.Lock()

    def upload_image(self, data: bytes, content_type: str = "image/jpeg") -> UploadedImage:
        """Uploads one image file."""
        file = (f"image.{_EXTENSIONS.get(content_type, 'bin')}", data, content_type)
        return self._parse(UploadedImage, *self._post("/vision-events/upload", files={"file": file}))

    def create_event(self, event: VisionEvent | Mapping[str, Any]) -> CreatedEvent:
        """Creates one event, or replaces the one that has its id."""
        return self._parse(CreatedEvent, *self._post("/vision-events", body=_wire(event)))

    def create_events(self, events: Sequence[VisionEvent | Mapping[str, Any]]) -> CreatedBatch:
        """Creates up to 100 events in one request.

        Raises:
            ValueError: For more than 100 events.
        """
        if len(events) > MAX_BATCH:
            raise ValueError(
                f"A batch has at most {MAX_BATCH} events, not {len(events)}: send several batches."
            )
        body = {"events": [_wire(event) for event in events]}
        return self._parse(CreatedBatch, *self._post("/vision-events/batch", body=body))

    def close(self) -> None:
        """Closes the connections of all threads."""
        with self._lock:
            sessions, self._sessions = self._sessions, []
            self._local = threading.local()
        for session in sessions:
            session.close()

    def __enter__(self) -> VisionEventsClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"VisionEventsClient({self._settings.cloud_url!r})"

    def _post(self, path: str, *, body: Any = None, files: Any = None) -> tuple[str, requests.Response]:
        request = f"POST {path}"
        headers = dict(self._headers)
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
        try:
            response = self._session().post(
                self._settings.through_gateway(self._settings.cloud_url + path),
                data=data, files=files, headers=headers, auth=self._auth, timeout=self._timeout,
                allow_redirects=False,  # requests would repeat a POST as a GET
            )  # fmt: skip
        except (requests.RequestException, OSError) as error:
            reason = self._auth.hide(
                f"{request} got no answer from {self._settings.cloud_url}: {_cause(error)}"
            )
            # The cause is not chained: its traceback holds the request with its headers.
            raise NetworkError(reason) from None
        if not 200 <= response.status_code < 300:
            raise self._error(request, response)
        return request, response

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            with self._lock:
                self._sessions.append(session)
        return session

    def _error(self, request: str, response: requests.Response) -> ApiError:
        status = response.status_code
        body = self._auth.hide(_message(response))[:_SHOWN_BODY]
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

    def _parse(self, kind: type[_AnswerT], request: str, response: requests.Response) -> _AnswerT:
        # A hotel or plant network answers 200 with its login page: that is no delivery.
        try:
            return kind.model_validate(response.json())
        except (ValueError, ValidationError):
            body = self._auth.hide(response.text)[:_SHOWN_BODY]
            raise ServerError(response.status_code, f"not an answer of the API: {body}", request) from None


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


def _wire(event: VisionEvent | Mapping[str, Any]) -> Mapping[str, Any]:
    return event.to_wire() if isinstance(event, VisionEvent) else event


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


def _inside(error: BaseException) -> BaseException | None:
    for inner in (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__):
        if isinstance(inner, BaseException):
            return inner
    return None
