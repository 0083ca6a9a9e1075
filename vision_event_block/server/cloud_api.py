"""The cloud's Vision Events API, so that its clients work against this service unchanged.

https://docs.roboflow.com/developer/rest-api/vision-events
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, File, Form, HTTPException, Query, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from vision_event_block.bundle import MAX_BUNDLE, Bundle, open_bundle
from vision_event_block.event import MAX_BATCH, Metadata, VisionEvent
from vision_event_block.event_data import ShortText
from vision_event_block.event_query import EventQuery
from vision_event_block.image_files import NotAnImage, read_image
from vision_event_block.images import extension_of
from vision_event_block.recorder import Recorder
from vision_event_block.server import cursors
from vision_event_block.server.cloud_query import filter_of
from vision_event_block.server.dependencies import TheRecorder, TheStore
from vision_event_block.server.problems import CLOUD_PREFIX, CloudProblem, documented
from vision_event_block.store.model import HERE, NewEvent, UseCase

MAX_DELETED = 1000
_METADATA: TypeAdapter[dict[str, Any]] = TypeAdapter(Metadata)
_ALWAYS = {
    "_400": "A value is wrong",
    "_401": "The key is missing or wrong",
    "_503": "The store cannot be used",
}
_WRITES = {**_ALWAYS, "_413": "The request is too large", "_529": "The device is at capacity"}


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Uploaded(_Part):
    """The answer to an upload. The same bytes are the same image, however often they come."""

    success: bool
    source_id: str
    url: str


class Created(_Part):
    """The answer to an event; `created` is false if it replaced one that had its id."""

    event_id: str
    created: bool


class Batch(_Part):
    """Up to 100 events; all of them are taken, or none."""

    events: list[VisionEvent] = Field(max_length=MAX_BATCH)


class CreatedBatch(_Part):
    """The answer to a batch."""

    created: int
    event_ids: list[str]


class Found(_Part):
    """Events, newest first."""

    events: list[dict[str, Any]]
    next_cursor: str | None
    has_more: bool
    lookback_days: int


class Deletion(_Part):
    """Events of a use case to remove for good."""

    use_case_id: ShortText
    event_ids: list[ShortText] = Field(max_length=MAX_DELETED)


class Deleted(_Part):
    """How many were removed, and which were not there."""

    deleted: int
    not_found: list[str]


class NamedUseCase(_Part):
    """A use case by its name."""

    name: str = Field(min_length=1, max_length=256, pattern=r"\S")


class UseCaseAnswer(_Part):
    """A use case."""

    id: str
    name: str
    status: Literal["active", "inactive"]
    workspace_id: str
    created_at: datetime
    updated_at: datetime


class UseCases(_Part):
    """Use cases, and for how many days their events are kept."""

    use_cases: list[UseCaseAnswer]
    lookback_days: int


class Done(_Part):
    """It was done."""

    success: bool


class FieldTypes(_Part):
    """Types that a metadata key had so far."""

    types: list[str]


class Schema(_Part):
    """Metadata keys of a use case."""

    use_case_id: str
    fields: dict[str, FieldTypes]


router = APIRouter(prefix=CLOUD_PREFIX, tags=["Vision Events API"])


@router.post("/upload", status_code=201, responses=documented(CloudProblem, **_WRITES, _415="No image"))
def upload(
    request: Request,
    store: TheStore,
    file: Annotated[UploadFile, File(description="The image file")],
    name: Annotated[str | None, Form(max_length=1000)] = None,
    metadata: Annotated[str | None, Form(description="A flat JSON object", max_length=200_000)] = None,
) -> Uploaded:
    """Uploads one image, to be shown by events that name its `sourceId`. It is kept for a week until one does."""
    try:
        image = read_image(file.file.read())
    except NotAnImage as error:
        raise HTTPException(415, f"file: {error}") from None
    known = None if metadata is None else json.dumps(_METADATA.validate_json(metadata))
    store.keep_image(image, name, known)
    url = request.url_for("image_file", name=f"{image.sha256}.{extension_of(image.content_type)}")
    return Uploaded(success=True, source_id=image.sha256, url=str(url))


@router.post("", status_code=201, responses=documented(CloudProblem, **_WRITES, _404="No such use case"))
def create_event(recorder: TheRecorder, event: VisionEvent) -> Created:
    """Creates an event, or replaces the one that has its id."""
    (answer,) = recorder.record_events([_accepted(recorder, event)])
    return Created(event_id=answer.id, created=answer.is_new)


@router.post(
    "/batch", status_code=201, responses=documented(CloudProblem, **_WRITES, _404="No such use case")
)
def create_events(recorder: TheRecorder, batch: Batch) -> CreatedBatch:
    """Creates up to 100 events in one transaction: if one is refused, none is taken."""
    answers = recorder.record_events([_accepted(recorder, event) for event in batch.events])
    return CreatedBatch(created=len(answers), event_ids=[answer.id for answer in answers])


@router.post(
    "/bundle",
    status_code=201,
    responses=documented(CloudProblem, **_WRITES, _404="No such use case"),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/gzip": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def ingest_bundle(
    request: Request,
    recorder: TheRecorder,
    use_case_id: Annotated[ShortText | None, Query(alias="useCaseId", min_length=1)] = None,
) -> Created:
    """Takes one event with its images as a tar archive, gzipped or plain, of at most 25 MiB."""
    data = await request.body()
    if len(data) > MAX_BUNDLE:
        raise HTTPException(413, f"The bundle has {len(data)} bytes, at most {MAX_BUNDLE} are taken.")
    return await run_in_threadpool(_ingest, recorder, data, use_case_id)


@router.post("/query", responses=documented(CloudProblem, **_ALWAYS, _404="No such use case"))
def query(store: TheStore, asked: Annotated[EventQuery, Body()]) -> Found:
    """Events of a use case, newest first."""
    if store.use_cases.get(asked.use_case_id) is None:
        raise _no_use_case(asked.use_case_id)
    events = store.catalog.events(filter_of(asked), asked.limit + 1, cursors.read(asked.cursor))
    following = cursors.after(events, asked.limit)
    return Found(
        events=[event.to_wire() for event in events[: asked.limit]],
        next_cursor=following,
        has_more=following is not None,
        lookback_days=_days(store.quota.days),
    )


@router.post("/delete", responses=documented(CloudProblem, **_ALWAYS))
def delete_events(store: TheStore, asked: Deletion) -> Deleted:
    """Removes events for good, on this device; what was delivered stays at its destination."""
    gone = store.drop(asked.event_ids, asked.use_case_id)
    missing = [event_id for event_id in dict.fromkeys(asked.event_ids) if event_id not in set(gone)]
    return Deleted(deleted=len(gone), not_found=missing)


@router.get("/use-cases", responses=documented(CloudProblem, **_ALWAYS))
def list_use_cases(store: TheStore, status: Literal["active", "inactive"] = "active") -> UseCases:
    """Use cases, those added first at the head."""
    found = store.use_cases.all(is_active=status == "active")
    return UseCases(
        use_cases=[_answer(use_case) for use_case in found], lookback_days=_days(store.quota.days)
    )


@router.post(
    "/use-cases", status_code=201, responses=documented(CloudProblem, **_ALWAYS, _409="The name is taken")
)
def create_use_case(store: TheStore, named: NamedUseCase) -> UseCaseAnswer:
    """Adds a use case under an id made of its name."""
    return _answer(store.use_cases.add(named.name.strip()))


@router.put(
    "/use-cases/{use_case_id}",
    responses=documented(CloudProblem, **_ALWAYS, _404="No such use case", _409="The name is taken"),
)
def rename_use_case(store: TheStore, use_case_id: str, named: NamedUseCase) -> UseCaseAnswer:
    """Gives a use case another name; its id stays."""
    renamed = store.use_cases.change(use_case_id, name=named.name.strip())
    if renamed is None:
        raise _no_use_case(use_case_id)
    return _answer(renamed)


@router.post(
    "/use-cases/{use_case_id}/archive", responses=documented(CloudProblem, **_ALWAYS, _404="No such use case")
)
def archive_use_case(store: TheStore, use_case_id: str) -> Done:
    """Hides a use case from the list; its events stay."""
    if store.use_cases.change(use_case_id, is_active=False) is None:
        raise _no_use_case(use_case_id)
    return Done(success=True)


@router.post(
    "/use-cases/{use_case_id}/unarchive",
    responses=documented(CloudProblem, **_ALWAYS, _404="No such use case"),
)
def unarchive_use_case(store: TheStore, use_case_id: str) -> Done:
    """Brings an archived use case back."""
    known = store.use_cases.get(use_case_id)
    if known is None:
        raise _no_use_case(use_case_id)
    if known.is_active:
        raise HTTPException(400, f"The use case {use_case_id!r} is active: there is nothing to restore.")
    store.use_cases.change(use_case_id, is_active=True)
    return Done(success=True)


@router.get(
    "/custom-metadata-schema/{use_case_id}",
    responses=documented(CloudProblem, **_ALWAYS, _404="No such use case"),
)
def custom_metadata_schema(store: TheStore, use_case_id: str) -> Schema:
    """Keys and types of the metadata that the events of a use case have."""
    return _schema(store, use_case_id, of_images=False)


@router.get(
    "/image-metadata-schema/{use_case_id}",
    responses=documented(CloudProblem, **_ALWAYS, _404="No such use case"),
)
def image_metadata_schema(store: TheStore, use_case_id: str) -> Schema:
    """Keys and types of the metadata that the images of a use case were uploaded with."""
    return _schema(store, use_case_id, of_images=True)


def _accepted(recorder: Recorder, event: VisionEvent) -> NewEvent:
    _check(recorder, event)
    return NewEvent.of(event, recorder.route(), {}, replaces=True)


def _check(recorder: Recorder, event: VisionEvent) -> None:
    """Refuses an event whose time or use case is impossible.

    Which use cases exist is for the destination to say: where that is not this store, any may be right.
    """
    event.check_timestamp()
    is_last = recorder.settings.destination == HERE
    if is_last and recorder.store.use_cases.get(event.use_case_id) is None:
        raise _no_use_case(event.use_case_id)


def _ingest(recorder: Recorder, data: bytes, use_case_id: str | None) -> Created:
    bundle: Bundle = open_bundle(data, use_case_id)
    _check(recorder, bundle.event)
    (answer,) = recorder.record_events(
        [NewEvent.of(bundle.event, recorder.route(), bundle.files, replaces=True)]
    )
    return Created(event_id=answer.id, created=answer.is_new)


def _schema(store: TheStore, use_case_id: str, of_images: bool) -> Schema:
    if store.use_cases.get(use_case_id) is None:
        raise _no_use_case(use_case_id)
    types = store.catalog.metadata_types(use_case_id, of_images)
    return Schema(
        use_case_id=use_case_id, fields={key: FieldTypes(types=known) for key, known in types.items()}
    )


def _no_use_case(use_case_id: str) -> HTTPException:
    return HTTPException(
        404, f"The use case {use_case_id!r} does not exist: create it, or name one that does."
    )


def _answer(use_case: UseCase) -> UseCaseAnswer:
    return UseCaseAnswer(
        id=use_case.id,
        name=use_case.name,
        status="active" if use_case.is_active else "inactive",
        workspace_id="event-store",
        created_at=datetime.fromtimestamp(use_case.created_at, timezone.utc),
        updated_at=datetime.fromtimestamp(use_case.updated_at, timezone.utc),
    )


def _days(days: float) -> int:
    return max(round(days), 1)
