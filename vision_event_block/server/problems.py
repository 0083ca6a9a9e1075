"""Errors as each contract writes them: `{"error": …}` of the cloud's API, `{"detail": …}` of a device's."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from vision_event_block.errors import InvalidEvent, NameTaken, StoreError, StoreFull
from vision_event_block.mending import shown

logger = logging.getLogger("vision_event_block")

CLOUD_PREFIX = "/vision-events"
# What the vendor's Event Store answers while it waits for uploads to make room.
AT_CAPACITY = 529
_RETRY_FULL_AFTER = "30"


class CloudProblem(BaseModel):
    """An error of the Vision Events API."""

    error: str


class DeviceProblem(BaseModel):
    """An error of the Event Store API; a list where several values are wrong."""

    detail: str | list[dict[str, Any]]


def documented(model: type[BaseModel], **statuses: str) -> dict[int | str, dict[str, Any]]:
    """Error answers of a route for its OpenAPI document, as `_404="no such event"`."""
    return {
        int(status.lstrip("_")): {"model": model, "description": text} for status, text in statuses.items()
    }


def problem(
    path: str,
    status: int,
    message: str | Sequence[dict[str, Any]],
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """An error answer in the words of the contract that the path belongs to."""
    if not path.startswith(CLOUD_PREFIX):
        return JSONResponse({"detail": message}, status, headers)
    text = (
        message if isinstance(message, str) else "; ".join(f"{_place(e['loc'])}: {e['msg']}" for e in message)
    )
    return JSONResponse({"error": text}, status, headers)


def add_handlers(app: FastAPI) -> None:
    """Answers every error of the package, and the framework's own."""

    @app.exception_handler(RequestValidationError)
    def _(request: Request, error: RequestValidationError) -> JSONResponse:
        status = 400 if request.url.path.startswith(CLOUD_PREFIX) else 422
        return problem(request.url.path, status, _details(error.errors()))

    @app.exception_handler(ValidationError)
    def _(request: Request, error: ValidationError) -> JSONResponse:
        status = 400 if request.url.path.startswith(CLOUD_PREFIX) else 422
        return problem(request.url.path, status, _details(error.errors()))

    @app.exception_handler(InvalidEvent)
    def _(request: Request, error: InvalidEvent) -> JSONResponse:
        status = 400 if request.url.path.startswith(CLOUD_PREFIX) else 422
        return problem(request.url.path, status, str(error))

    @app.exception_handler(NameTaken)
    def _(request: Request, error: NameTaken) -> JSONResponse:
        return problem(request.url.path, 409, str(error))

    @app.exception_handler(StoreFull)
    def _(request: Request, error: StoreFull) -> JSONResponse:
        return problem(request.url.path, AT_CAPACITY, str(error), {"Retry-After": _RETRY_FULL_AFTER})

    @app.exception_handler(StoreError)
    def _(request: Request, error: StoreError) -> JSONResponse:
        logger.error("%s %s: %s", request.method, request.url.path, error)
        return problem(request.url.path, 503, str(error))

    @app.exception_handler(HTTPException)
    def _(request: Request, error: HTTPException) -> JSONResponse:
        return problem(request.url.path, error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(Exception)
    def _(request: Request, error: Exception) -> JSONResponse:
        return problem(request.url.path, 500, "Something went wrong here; the log of the service says more.")


def _details(errors: Sequence[Any]) -> list[dict[str, Any]]:
    """What was wrong, where, and with which value, without repeating a whole image."""
    details = []
    for error in errors:
        message = error["msg"].removeprefix("Value error, ")
        if isinstance(error.get("input"), bytes):
            message = "The body was not read as JSON: send it with Content-Type: application/json"
        elif error["type"] != "missing":
            message += f" (got {shown(error.get('input'))})"
        # A lone surrogate of the request could not be written into the answer.
        message = message.encode("utf-8", "replace").decode()
        details.append({"loc": jsonable_encoder(error["loc"]), "msg": message, "type": error["type"]})
    return details


def _place(loc: Sequence[Any]) -> str:
    """`images[0].label`, as a programmer writes it."""
    names = [part for part in loc if part not in ("body", "query", "path", "header")]
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in names)
    return text.lstrip(".") or "the request"
