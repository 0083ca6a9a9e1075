"""The pages: what happened at a glance, the events, and one event with all that is known of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from fastapi import APIRouter, Depends, FastAPI, Form, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader

from vision_event_block.image_files import NotAnImage
from vision_event_block.server import cursors, filters
from vision_event_block.server.access import SESSION_COOKIE, Keys
from vision_event_block.server.chart import Span, draw, span_named
from vision_event_block.server.dependencies import TheRecorder, TheStore
from vision_event_block.server.list_filter import ListFilter
from vision_event_block.server.overlay import overlays
from vision_event_block.server.thumbnails import thumbnail
from vision_event_block.status import device_status, place_of
from vision_event_block.store.listing import Listed
from vision_event_block.store.model import Role, StoredImage

PER_PAGE = 40
_SESSION_SECONDS = 30 * 86_400
# Nothing but what this service itself serves is loaded or run, whatever gets into a page.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

router = APIRouter(include_in_schema=False)
_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
filters.add_to(_environment)
_templates = Jinja2Templates(env=_environment)


class MissingPageError(Exception):
    """What an address names is not there; the message is for the person who asked."""


def add_handlers(app: FastAPI) -> None:
    """Answers people in HTML."""

    @app.exception_handler(MissingPageError)
    def _(request: Request, error: MissingPageError) -> HTMLResponse:
        return _page(request, "missing.html", message=str(error), status_code=404)


@router.get("/")
def overview(
    request: Request,
    recorder: TheRecorder,
    wanted: Annotated[ListFilter, Depends()],
    span: Annotated[Span, Depends(span_named)],
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> HTMLResponse:
    """What happened at a glance, and the events that the filter leaves."""
    catalog = recorder.store.catalog
    found = catalog.events(wanted.to_filter(), PER_PAGE + 1, cursors.read(cursor))
    return _page(
        request,
        "overview.html",
        status=device_status(recorder),
        span=span,
        chart=draw(catalog, span),
        events=found[:PER_PAGE],
        older=cursors.after(found, PER_PAGE),
        cursor=cursor,
        wanted=wanted,
        use_cases=recorder.store.use_cases.all(),
        classes=catalog.classes(),
    )


@router.get("/events/{event_id:path}")
def event_page(request: Request, recorder: TheRecorder, event_id: str, image: int = 0) -> HTMLResponse:
    """One event: its images with what was found in them, its data, its way."""
    event = _event(recorder.store, event_id)
    wire = event.to_wire()
    count = len(wire.get("images", []))
    position = image if 0 <= image < count else 0
    return _page(
        request,
        "event.html",
        event=event,
        wire=wire,
        history=recorder.store.catalog.history(event_id),
        place=place_of(event.route, recorder.settings),
        waits="" if event.state != "pending" else recorder.waits_for(event.route),
        overlay=overlays(wire["images"][position]) if count else None,
        position=position,
        image_count=count,
        pictures=_pictures(recorder.store, event, position),
        older=_neighbour(recorder.store, event),
    )


@router.get("/events.json/{event_id:path}")
def event_json(store: TheStore, event_id: str) -> Response:
    """One event as the REST API writes it, to keep."""
    event = _event(store, event_id)
    return Response(
        json.dumps(event.to_wire(), indent=2),
        media_type="application/json",
        headers={**_HEADERS, "Content-Disposition": 'attachment; filename="event.json"'},
    )


@router.get("/thumbnails/{sha256}")
def small_image(store: TheStore, sha256: str) -> Response:
    """A small version of an image."""
    found = store.image(sha256)
    try:
        data = thumbnail(found.data) if found else None
    except NotAnImage:
        data = None
    if data is None:
        raise HTTPException(404, "There is no preview of this image.")
    return Response(
        data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=31536000, immutable"}
    )


@router.post("/retry")
def retry(recorder: TheRecorder, event_id: Annotated[str | None, Form()] = None) -> RedirectResponse:
    """Tries an event again now, or all that were rejected."""
    recorder.retry(event_id)
    return RedirectResponse(f"/events/{filters.path_of(event_id)}" if event_id else "/?state=pending", 303)


@router.post("/backup")
def switch_backup(recorder: TheRecorder, on: Annotated[bool, Form()]) -> RedirectResponse:
    """Turns the backup on or off."""
    recorder.switch_backup(on)
    return RedirectResponse("/", 303)


@router.get("/sign-in")
def sign_in_page(request: Request, to: str = "/", wrong: bool = False) -> HTMLResponse:
    """Asks for a key."""
    return _page(request, "sign_in.html", to=to, wrong=wrong, status_code=401 if wrong else 200)


@router.post("/sign-in")
def sign_in(
    request: Request, key: Annotated[str, Form(max_length=1000)], to: Annotated[str, Form()] = "/"
) -> Response:
    """Gives a browser that knows a key its session."""
    keys: Keys = request.app.state.keys
    if not keys.accept(key.strip()):
        return sign_in_page(request, to, wrong=True)
    answer = RedirectResponse(_inside(unquote(to)), 303)
    answer.set_cookie(
        SESSION_COOKIE,
        keys.session_of(key.strip()),
        max_age=_SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/sign-out")
def sign_out() -> RedirectResponse:
    """Ends the session of this browser."""
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
    return answer


def _page(request: Request, template: str, status_code: int = 200, **context: Any) -> HTMLResponse:
    keys: Keys = request.app.state.keys
    context |= {"has_session": bool(keys), "path": request.url.path}
    page: HTMLResponse = _templates.TemplateResponse(request, template, context, status_code, _HEADERS)
    return page


def _event(store: TheStore, event_id: str) -> Listed:
    found = store.catalog.event(event_id)
    if found is None:
        raise MissingPageError(f"There is no event {event_id}. Delivered events are removed in time.")
    return found


def _neighbour(store: TheStore, event: Listed) -> Listed | None:
    return next(iter(store.catalog.events(limit=1, after=event.cursor)), None)


def _pictures(store: TheStore, event: Listed, position: int) -> dict[str, tuple[str, StoredImage]]:
    """The files of an image entry by role, with what they are called."""
    pictures: dict[str, tuple[str, StoredImage]] = {}
    roles: tuple[Role, ...] = ("input", "output")
    for role in roles:
        sha256 = event.images.get((position, role))
        image = store.image(sha256) if sha256 else None
        if sha256 and image:
            pictures[role] = (sha256, image)
    return pictures


def _inside(target: str) -> str:
    """The target if it is a place of this service; a link must not lead people elsewhere after signing in."""
    parts = urlsplit(target)
    is_ours = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.netloc
    return target if is_ours else "/"
