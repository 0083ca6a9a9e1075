"""The Vision Events REST API as a typed client.

https://docs.roboflow.com/developer/rest-api/vision-events
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from vision_event_block.event import MAX_BATCH, VisionEvent
from vision_event_block.images import extension_of
from vision_event_block.settings import Settings
from vision_event_block.transport import DEFAULT_TIMEOUT, Answer, AnswerT, Credential, Transport


class UploadedImage(Answer):
    """The answer to an upload: `source_id` names the image in events."""

    source_id: str
    url: str | None = None


class CreatedEvent(Answer):
    """The answer to an event. `created` may be false or absent when the id replaced an earlier event."""

    event_id: str | None = None
    created: bool | int | None = None


class CreatedBatch(Answer):
    """The answer to a batch. Fewer `created` than sent means that some were refused without saying why."""

    created: int | None = None
    event_ids: list[str] | None = None


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
        headers = {k: v for k, v in self._settings.extra_headers.items() if k.lower() != "authorization"}
        self._transport = Transport(
            self._settings.cloud_url, Credential(value), headers=headers, timeout=timeout
        )

    def upload_image(
        self,
        data: bytes,
        content_type: str = "image/jpeg",
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> UploadedImage:
        """Uploads one image file, with the metadata of this image if there are any."""
        files: dict[str, Any] = {"file": (f"image.{extension_of(content_type)}", data, content_type)}
        if name:
            files["name"] = (None, name)
        if metadata:
            files["metadata"] = (None, json.dumps(metadata, allow_nan=False))
        return self._post(UploadedImage, "/vision-events/upload", files=files)

    def create_event(self, event: VisionEvent | Mapping[str, Any]) -> CreatedEvent:
        """Creates one event, or replaces the one that has its id."""
        return self._post(CreatedEvent, "/vision-events", body=_wire(event))

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
        return self._post(CreatedBatch, "/vision-events/batch", body=body)

    def close(self) -> None:
        """Closes the connections of all threads."""
        self._transport.close()

    def __enter__(self) -> VisionEventsClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"VisionEventsClient({self._settings.cloud_url!r})"

    def _post(self, kind: type[AnswerT], path: str, *, body: Any = None, files: Any = None) -> AnswerT:
        url = self._settings.through_gateway(self._settings.cloud_url + path)
        return self._transport.parse(kind, self._transport.post(path, url, body=body, files=files))


def _wire(event: VisionEvent | Mapping[str, Any]) -> Mapping[str, Any]:
    return event.to_wire() if isinstance(event, VisionEvent) else event
