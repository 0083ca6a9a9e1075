"""The client itself: one method for each request of the API."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, TypedDict
from urllib.parse import quote, urlencode

from typing_extensions import Unpack

from vision_event_block.backoff import backoff
from vision_event_block.bundle import Bundle, pack_bundle
from vision_event_block.client.answers import (
    CreatedBatch,
    CreatedEvent,
    CreatedEvents,
    DeletedEvents,
    Done,
    EventPage,
    FoundEvent,
    MetadataSchema,
    UploadedImage,
    UseCase,
    UseCaseList,
)
from vision_event_block.client.image_input import ImageInput, image_file
from vision_event_block.client.posting import Posting
from vision_event_block.errors import (
    ApiError,
    DeliveryError,
    NetworkError,
    PayloadRejected,
    RateLimited,
    ServerError,
    UseCaseNotFound,
)
from vision_event_block.event import MAX_BATCH, EventImage, VisionEvent
from vision_event_block.event_data import EventType
from vision_event_block.event_query import Comparison, DataComparison, EventQuery, MetadataComparison
from vision_event_block.images import extension_of
from vision_event_block.settings import Settings
from vision_event_block.transport import DEFAULT_TIMEOUT, AnswerT, Credential, Transport

MAX_DELETED = 1000

_EVENTS = "/vision-events"
_USE_CASES = f"{_EVENTS}/use-cases"
_LONGEST_WAIT = 30.0
_NO_USE_CASE = re.compile(r"(use.?case|solution)\b.*(not exist|not found|unknown|no such)|"
                          r"(not found|unknown|no such)\W+(use.?case|solution)", re.IGNORECASE | re.DOTALL)  # fmt: skip
# The server did not take the request up, so that even an upload can be repeated.
_NOT_TAKEN_UP = (429, 503, 529)


class QueryFilters(TypedDict, total=False):
    """Which events of a use case to answer: those that fulfil all that is given.

    A text for an id means that it is equal.
    """

    event_types: Sequence[EventType]
    start_time: datetime
    end_time: datetime
    device_id: str | Comparison
    stream_id: str | Comparison
    workflow_id: str | Comparison
    external_id: str | Comparison
    custom_metadata_filters: Sequence[MetadataComparison]
    image_metadata_filters: Sequence[MetadataComparison]
    event_field_filters: Sequence[DataComparison]


class VisionEventsClient:
    """One destination and one credential. Safe to use from several threads; each keeps its connections.

    A request is repeated where that cannot do anything twice: after no answer, 408, 429 or 5xx if it
    creates nothing new when it comes again (events overwrite by their id), else only if the server
    certainly did not take it up.

    Raises (all methods):
        NetworkError: No answer came; the request may or may not have been processed.
        AuthenticationError, UseCaseNotFound, PayloadRejected, RateLimited, ServerError: The server's answer.
        pydantic.ValidationError: An argument breaks a rule of the API; nothing was sent.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        authorization: str | None = None,
        base_url: str | None = None,
        settings: Settings | None = None,
        timeout: tuple[float, float] = DEFAULT_TIMEOUT,
        retries: int = 3,
    ) -> None:
        """Args:
        api_key: Roboflow API key with the scope `vision-events:write`; absent, that of the settings.
        authorization: Whole value of the Authorization header, instead of a key.
        base_url: Where the API is, such as `http://site:8001`; absent, the cloud of the settings.
        settings: Cloud, extra headers and gateway; absent, from the environment.
        timeout: Seconds to connect and to wait for an answer.
        retries: How often a request is repeated where that is safe.

        Raises:
            ValueError: If there is no credential at all.
        """
        self._settings = settings or Settings()
        self._base_url = (base_url or self._settings.cloud_url).rstrip("/")
        self._retries = retries
        value = authorization or self._settings.authorization_for(api_key)
        if not value:
            raise ValueError("No API key: pass api_key, or set ROBOFLOW_API_KEY.")
        headers = {k: v for k, v in self._settings.extra_headers.items() if k.lower() != "authorization"}
        self._transport = Transport(self._base_url, Credential(value), headers=headers, timeout=timeout)

    # --- images and events

    def upload_image(
        self, image: ImageInput, *, name: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> UploadedImage:
        """Uploads one image.

        Args:
            image: A path, the bytes of a file, (height, width, 3) BGR pixels or a Pillow image.
            name: What to call it.
            metadata: Up to 100 values of text, number or truth about this image.

        Raises:
            InvalidEvent: If it is no image that the API takes.
            OSError: If a path cannot be read.
        """
        file = image_file(image)
        parts: dict[str, Any] = {
            "file": (f"image.{extension_of(file.content_type)}", file.data, file.content_type)
        }
        if name:
            parts["name"] = name
        if metadata:
            parts["metadata"] = json.dumps(metadata, allow_nan=False)
        return self._ask(UploadedImage, "POST", f"{_EVENTS}/upload", files=parts, is_repeatable=False)

    def create_event(self, event: VisionEvent | Mapping[str, Any]) -> CreatedEvent:
        """Creates one event, or replaces the one that has its id. A mapping is sent as it is."""
        return self._ask(CreatedEvent, "POST", _EVENTS, body=_wire(event))

    def create_batch(self, events: Sequence[VisionEvent | Mapping[str, Any]]) -> CreatedBatch:
        """Creates up to 100 events in one request.

        Raises:
            ValueError: For more than 100 events.
        """
        if len(events) > MAX_BATCH:
            raise ValueError(
                f"A batch has at most {MAX_BATCH} events, not {len(events)}: create_events() sends several."
            )
        body = {"events": [_wire(event) for event in events]}
        return self._ask(CreatedBatch, "POST", f"{_EVENTS}/batch", body=body)

    def create_events(self, events: Iterable[VisionEvent | Mapping[str, Any]]) -> CreatedEvents:
        """Creates any number of events, in batches of 100.

        Where a batch is refused it is split until the event at fault is found; all others are created.
        Never raises for what the server answers: the failure of each event is in the result. A key that
        is refused or a network that is gone fails all that come after, too.
        """
        report = _Report()
        rest = (dict(_wire(event)) for event in events)
        stopped = Posting(self, report).send((event["eventId"], event) for event in report.listening(rest))
        if stopped is not None:
            report.give_up(rest, stopped)
        return CreatedEvents(report.created, report.failures)

    def send(
        self,
        image: ImageInput,
        event: VisionEvent,
        *,
        output_image: ImageInput | None = None,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> CreatedEvent:
        """Uploads an image and creates the event that shows it.

        Args:
            image: The original, in whose pixels the annotations of the event's first image are.
            event: Its first image is completed; it may have none.
            output_image: A picture to show first, such as the original with boxes drawn on it.
            name, metadata: Of the original.
        """
        sources = {"input_source_id": self.upload_image(image, name=name, metadata=metadata).source_id}
        if output_image is not None:
            sources["source_id"] = self.upload_image(output_image).source_id
        first, *others = event.images or [EventImage()]
        shown = {"images": [first.model_copy(update=sources), *others]}
        if event.display_image_position is None:
            shown["display_image_position"] = 0  # type: ignore[assignment]
        return self.create_event(event.model_copy(update=shown))

    def upload_bundle(self, bundle: Bundle | bytes, *, use_case_id: str | None = None) -> CreatedEvent:
        """Creates an event with its images in one request.

        Args:
            bundle: The bundle or the bytes of its archive, at most 25 MiB.
            use_case_id: Overrides that of the bundle.

        Raises:
            InvalidEvent: If it is too large.
        """
        data = pack_bundle(bundle) if isinstance(bundle, Bundle) else bundle
        path = f"{_EVENTS}/bundle"
        parameters = {"useCaseId": use_case_id} if use_case_id else None
        return self._ask(
            CreatedEvent, "POST", path, data=data, parameters=parameters, is_repeatable=False,
            headers={"Content-Type": "application/gzip"},
        )  # fmt: skip

    # --- reading and deleting

    def query(
        self,
        use_case_id: str,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        **filters: Unpack[QueryFilters],
    ) -> EventPage:
        """One page of events, newest first.

        Args:
            limit: Most events in the answer; absent, what the server thinks fit.
            cursor: `next_cursor` of the page before.
            filters: See `QueryFilters`.
        """
        wanted: dict[str, Any] = {
            name: Comparison(value=value) if name.endswith("_id") and isinstance(value, str) else value
            for name, value in filters.items()
        }
        wanted |= {"limit": limit} if limit is not None else {}
        wanted |= {"cursor": cursor} if cursor is not None else {}
        query = EventQuery(use_case_id=use_case_id, **wanted)
        body = query.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
        return self._ask(EventPage, "POST", f"{_EVENTS}/query", body=body)

    def events(
        self, use_case_id: str, *, page_size: int = 100, **filters: Unpack[QueryFilters]
    ) -> Iterator[FoundEvent]:
        """All events that fulfil the filters, newest first, page by page as they are asked for."""
        cursor: str | None = None
        while True:
            page = self.query(use_case_id, limit=page_size, cursor=cursor, **filters)
            yield from page.events
            if not page.events or not page.next_cursor or page.has_more is False:
                return
            cursor = page.next_cursor

    def delete_events(self, use_case_id: str, event_ids: Iterable[str]) -> DeletedEvents:
        """Removes events of a use case for good, any number of them."""
        deleted, not_found = 0, []
        ids = list(event_ids)
        for start in range(0, len(ids), MAX_DELETED):
            body = {"useCaseId": use_case_id, "eventIds": ids[start : start + MAX_DELETED]}
            answer = self._ask(DeletedEvents, "POST", f"{_EVENTS}/delete", body=body)
            deleted += answer.deleted
            not_found += answer.not_found
        return DeletedEvents(deleted=deleted, not_found=not_found)

    # --- use cases

    def list_use_cases(self, status: Literal["active", "inactive"] = "active") -> list[UseCase]:
        """The use cases of the workspace; archived ones are inactive."""
        return self._ask(UseCaseList, "GET", _USE_CASES, parameters={"status": status}).use_cases

    def create_use_case(self, name: str) -> UseCase:
        """Adds a use case; its id is in the answer."""
        return self._ask(UseCase, "POST", _USE_CASES, body={"name": name}, is_repeatable=False)

    def rename_use_case(self, use_case_id: str, name: str) -> UseCase:
        """Gives a use case another name; its id stays."""
        return self._ask(UseCase, "PUT", _path(_USE_CASES, use_case_id), body={"name": name})

    def archive_use_case(self, use_case_id: str) -> None:
        """Hides a use case; its events stay."""
        self._ask(Done, "POST", _path(_USE_CASES, use_case_id, "archive"))

    def unarchive_use_case(self, use_case_id: str) -> None:
        """Brings an archived use case back."""
        self._ask(Done, "POST", _path(_USE_CASES, use_case_id, "unarchive"), is_repeatable=False)

    def custom_metadata_schema(self, use_case_id: str) -> MetadataSchema:
        """Metadata keys that the events of a use case have, with their types."""
        return self._ask(MetadataSchema, "GET", _path(f"{_EVENTS}/custom-metadata-schema", use_case_id))

    def image_metadata_schema(self, use_case_id: str) -> MetadataSchema:
        """Metadata keys that the images of a use case have, with their types."""
        return self._ask(MetadataSchema, "GET", _path(f"{_EVENTS}/image-metadata-schema", use_case_id))

    # --- the client itself

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
        return f"VisionEventsClient({self._base_url!r})"

    def _ask(
        self,
        kind: type[AnswerT],
        method: str,
        path: str,
        *,
        parameters: Mapping[str, str] | None = None,
        is_repeatable: bool = True,
        **content: Any,
    ) -> AnswerT:
        address = f"{self._base_url}{path}" + (f"?{urlencode(parameters)}" if parameters else "")
        failures = 0
        while True:
            try:
                exchange = self._transport.send(
                    method, path, self._settings.through_gateway(address), **content
                )
                return self._transport.parse(kind, exchange)
            except DeliveryError as error:
                failures += 1
                asked = error.retry_after if isinstance(error, ApiError) else None
                is_last = failures > self._retries or (asked or 0.0) > _LONGEST_WAIT
                if is_last or not _may_repeat(error, is_repeatable):
                    raise _told_apart(error) from None
            time.sleep(min(backoff(failures, asked), _LONGEST_WAIT))


class _Report:
    """Collects what became of events; the judge of `create_events`."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self.failures: dict[str, DeliveryError] = {}
        self._unsettled: dict[str, None] = {}

    def listening(self, events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The events, of which it will want to know what became."""
        for event in events:
            self._unsettled[event["eventId"]] = None
            yield event

    def delivered(self, keys: Sequence[str], _: str, /) -> None:
        self.created += keys
        for key in keys:
            self._unsettled.pop(key, None)

    def failed(self, key: str, error: DeliveryError, /) -> DeliveryError | None:
        self._unsettled.pop(key, None)
        self.failures[key] = error
        return None if error.may_be_the_events_fault else error

    def stopped(self, error: DeliveryError, /) -> DeliveryError:
        return error

    def give_up(self, rest: Iterable[Mapping[str, Any]], error: DeliveryError) -> None:
        """Those that were not confirmed and those that were not tried fail for the same reason."""
        self.failures |= dict.fromkeys([*self._unsettled, *(event["eventId"] for event in rest)], error)


def _wire(event: VisionEvent | Mapping[str, Any]) -> Mapping[str, Any]:
    return event.to_wire() if isinstance(event, VisionEvent) else event


def _path(*parts: str) -> str:
    """A path whose last parts may hold anything."""
    first, *others = parts
    return "/".join([first, *(quote(part, safe="") for part in others)])


def _may_repeat(error: DeliveryError, is_repeatable: bool) -> bool:
    if isinstance(error, NetworkError):
        return is_repeatable or not error.was_sent
    if isinstance(error, RateLimited):
        return True
    return isinstance(error, ServerError) and (
        error.status in _NOT_TAKEN_UP or (is_repeatable and (error.status >= 500 or error.status == 408))
    )


def _told_apart(error: DeliveryError) -> DeliveryError:
    """The error under the name that a caller would look for."""
    if not isinstance(error, PayloadRejected):
        return error
    names_one = error.status == 404 and error.request.partition(" ")[2].startswith(
        (f"{_USE_CASES}/", f"{_EVENTS}/custom-metadata-schema", f"{_EVENTS}/image-metadata-schema")
    )
    if names_one or (error.status in (400, 404, 422) and _NO_USE_CASE.search(error.body)):
        return UseCaseNotFound(error.status, error.body, error.request, error.retry_after)
    return error
