"""The Event Store API of a device, so that its producers work against this service unchanged.

Creating events, `/health` and `latest/query` are as the vendor documents and its blocks use them; the
other routes are ours, named as its documentation suggests.
https://docs.roboflow.com/deploy/deployment-manager/services/event-store
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ValidationError

from vision_event_block.device_event import DeviceEvent
from vision_event_block.event import VisionEvent
from vision_event_block.event_data import EVENT_DATA, EventType, ShortText
from vision_event_block.image_files import NotAnImage, read_base64
from vision_event_block.images import EncodedImage
from vision_event_block.server import cursors
from vision_event_block.server.dependencies import TheRecorder, TheStore
from vision_event_block.server.problems import DeviceProblem, documented
from vision_event_block.status import DeviceStatus, device_status
from vision_event_block.store.listing import Condition, Filter, Listed
from vision_event_block.store.model import NewEvent, Role, State

_ALWAYS = {"_401": "The key is missing or wrong", "_503": "The store cannot be used"}
_READS = {**_ALWAYS, "_422": "A value is wrong"}
_WRITES = {
    **_READS,
    "_400": "The request is no JSON",
    "_413": "The request is too large",
    "_529": "The device is at capacity",
}
_KEY = r"^[\x21-\x7e]+$"


class Stored(BaseModel):
    """The answer to an event: the id under which it is on disk."""

    id: str


class ImageAnswer(BaseModel):
    """One image of an event: where its files are, and what was found in it."""

    label: str | None
    image_url: str | None
    input_image_url: str | None
    object_detections: list[dict[str, Any]] | None
    classifications: list[dict[str, Any]] | None
    instance_segmentations: list[dict[str, Any]] | None
    keypoints: list[dict[str, Any]] | None


class EventAnswer(BaseModel):
    """An event of the store, with the state of its delivery."""

    id: str
    state: State
    reason: str
    solution: str
    event_schema: EventType
    inference_timestamp: datetime
    recorded_at: datetime
    device_id: str | None
    stream_id: str | None
    workflow_id: str | None
    event_data: dict[str, str | int]
    custom_metadata: dict[str, Any]
    comment: str | None
    display_image_position: int | None
    images: list[ImageAnswer]


class Events(BaseModel):
    """Events, the latest capture first; `next_cursor` asks for those before."""

    events: list[EventAnswer]
    next_cursor: str | None


class Switch(BaseModel):
    """Whether backup is wanted."""

    on: bool


class Which(BaseModel):
    """One event, or all that are meant."""

    event_id: ShortText | None = None


class Number(BaseModel):
    """Of how many events something was done."""

    events: int


class Health(BaseModel):
    """The service is alive and its store can be read."""

    status: str


router = APIRouter(tags=["Event Store API"])


@router.get("/health", responses=documented(DeviceProblem, _503="The store cannot be used"))
def health(store: TheStore) -> Health:
    """Needs no key."""
    store.backup_switch()
    return Health(status="ok")


@router.post(
    "/v2/events",
    status_code=201,
    responses=documented(DeviceProblem, **_WRITES),
)
def create_event(
    recorder: TheRecorder,
    event: DeviceEvent,
    idempotency_key: Annotated[
        str | None,
        Header(
            max_length=256,
            pattern=_KEY,
            description="Becomes the id of the event. The same event under the same key is kept once.",
        ),
    ] = None,
) -> Stored:
    """Records an event with its images, durably, in one transaction."""
    if event.draft:
        raise HTTPException(422, "draft: this service finalizes events at once; leave `draft` out.")
    vision_event = event.to_vision_event(idempotency_key or str(uuid4()), recorder.settings.use_case)
    vision_event.check_timestamp()
    files = {
        (position, role): _file(position, role, text)
        for position, image in enumerate(event.images)
        for role, text in image.inline().items()
    }
    (answer,) = recorder.record_events([NewEvent.of(vision_event, recorder.route(), files)])
    if not answer.is_same:
        raise HTTPException(
            422,
            f"Idempotency-Key: {idempotency_key} was used for another event. Use a key for one event only.",
        )
    return Stored(id=answer.id)


def _file(position: int, role: Role, text: str) -> EncodedImage:
    try:
        return read_base64(text)
    except NotAnImage as error:
        raise NotAnImage(f"images[{position}] ({role}): {error}") from None


@router.get("/v2/events/latest/query", responses=documented(DeviceProblem, **_READS))
def latest_events(
    request: Request, store: TheStore, limit: Annotated[int, Query(ge=1, le=1000)] = 10
) -> Events:
    """The events captured last."""
    return _events(request, store, Filter(), limit, None)


@router.get("/v2/events/query", responses=documented(DeviceProblem, **_READS))
def query_events(
    request: Request,
    store: TheStore,
    start_time: AwareDatetime | None = None,
    end_time: AwareDatetime | None = None,
    event_schema: Annotated[list[EventType] | None, Query()] = None,
    state: Annotated[list[State] | None, Query()] = None,
    solution: ShortText | None = None,
    device_id: ShortText | None = None,
    stream_id: ShortText | None = None,
    class_name: Annotated[str | None, Query(max_length=1000)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Events:
    """Events of a time range, from `start_time` to before `end_time`."""
    ids = {"deviceId": device_id, "streamId": stream_id}
    wanted = Filter(
        use_case=solution,
        states=tuple(state or ()),
        event_types=tuple(event_schema or ()),
        class_name=class_name,
        since=start_time.timestamp() if start_time else None,
        until=end_time.timestamp() if end_time else None,
        conditions=tuple(Condition((key,), "eq", value) for key, value in ids.items() if value is not None),
    )
    return _events(request, store, wanted, limit, cursor)


@router.get("/v2/event-schemas", responses=documented(DeviceProblem, **_ALWAYS))
def event_schemas() -> dict[str, Any]:
    """JSON schemas of `event_data`, by `event_schema`."""
    return {event_type: model.model_json_schema(by_alias=True) for event_type, model in EVENT_DATA.items()}


@router.get("/v2/status", responses=documented(DeviceProblem, **_ALWAYS))
def status(recorder: TheRecorder) -> DeviceStatus:
    """Counts, quota, disk and backup of the store."""
    return device_status(recorder)


@router.put("/v2/admin/backup", responses=documented(DeviceProblem, **_READS, _400="The request is no JSON"))
def switch_backup(recorder: TheRecorder, switch: Switch) -> DeviceStatus:
    """Turns the backup of every process on this store on or off."""
    recorder.switch_backup(switch.on)
    return device_status(recorder)


@router.post("/v2/admin/retry", responses=documented(DeviceProblem, **_READS, _400="The request is no JSON"))
def retry(recorder: TheRecorder, which: Which) -> Number:
    """Makes a rejected event pending again, or all of them."""
    return Number(events=recorder.retry(which.event_id))


@router.post("/v2/admin/prune", responses=documented(DeviceProblem, **_ALWAYS))
def prune(store: TheStore) -> Number:
    """Removes delivered events that are older than the retention, now."""
    return Number(events=store.prune())


@router.get(
    "/v2/images/{name}",
    response_class=Response,
    responses=documented(DeviceProblem, **_READS, _404="No such image"),
)
def image_file(store: TheStore, name: str) -> Response:
    """An image file. It never changes under its name."""
    found = store.image(name.partition(".")[0])
    if found is None:
        raise HTTPException(404, f"There is no image {name!r}.")
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    return Response(found.data, media_type=found.content_type, headers=headers)


@router.get("/v2/events/{event_id:path}", responses=documented(DeviceProblem, **_READS, _404="No such event"))
def event(request: Request, store: TheStore, event_id: str) -> EventAnswer:
    """One event."""
    found = store.catalog.event(event_id)
    if found is None:
        raise _no_event(event_id)
    return _answer(request, found)


@router.delete(
    "/v2/events/{event_id:path}",
    status_code=204,
    responses=documented(DeviceProblem, **_READS, _404="No such event"),
)
def delete_event(store: TheStore, event_id: str) -> None:
    """Removes an event for good, also if it was not delivered."""
    if not store.drop([event_id]):
        raise _no_event(event_id)


def _events(request: Request, store: TheStore, wanted: Filter, limit: int, cursor: str | None) -> Events:
    found = store.catalog.events(wanted, limit + 1, cursors.read(cursor))
    return Events(
        events=[_answer(request, event) for event in found[:limit]], next_cursor=cursors.after(found, limit)
    )


def _event_of(listed: Listed) -> VisionEvent:
    """The event; of one whose record is damaged so much as the store knows beside it."""
    try:
        return VisionEvent.model_validate_json(listed.body)
    except ValidationError:
        return VisionEvent.model_construct(
            event_id=listed.id, event_type=listed.event_type,  # type: ignore[arg-type] # it may be damaged, too
            use_case_id=listed.use_case,
            timestamp=datetime.fromtimestamp(listed.captured_at, timezone.utc),
        )  # fmt: skip


def _answer(request: Request, listed: Listed) -> EventAnswer:
    event = _event_of(listed)
    images = [
        ImageAnswer(
            image_url=_url(request, listed, position, "output"),
            input_image_url=_url(request, listed, position, "input"),
            **image.model_dump(exclude={"source_id", "input_source_id"}, mode="json"),
        )
        for position, image in enumerate(event.images)
    ]
    return EventAnswer(
        id=listed.id,
        state=listed.state,
        reason=listed.reason,
        solution=event.use_case_id,
        event_schema=event.event_type,
        inference_timestamp=event.timestamp,
        recorded_at=datetime.fromtimestamp(listed.recorded_at, timezone.utc),
        device_id=event.device_id,
        stream_id=event.stream_id,
        workflow_id=event.workflow_id,
        event_data=event.event_data or {},
        custom_metadata=event.custom_metadata or {},
        comment=event.comment,
        display_image_position=event.display_image_position,
        images=images,
    )


def _url(request: Request, listed: Listed, position: int, role: Role) -> str | None:
    sha256 = listed.images.get((position, role))
    return None if sha256 is None else str(request.url_for("image_file", name=sha256))


def _no_event(event_id: str) -> HTTPException:
    return HTTPException(404, f"There is no event {event_id!r}; delivered ones are removed in time.")
