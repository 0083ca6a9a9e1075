"""The use cases and the API of wherever the events of this device go."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Literal, Protocol

from vision_event_block.cli.terminal import fail
from vision_event_block.client import UseCase, VisionEventsClient
from vision_event_block.errors import UseCaseNotFound
from vision_event_block.settings import FILE_SCHEME, Settings
from vision_event_block.store import open_store
from vision_event_block.store.interface import UseCases
from vision_event_block.store.model import CLOUD, HERE
from vision_event_block.store.model import UseCase as StoredUseCase


class UseCaseBook(Protocol):
    """What one can do with use cases, wherever they are."""

    def list_use_cases(self, status: Literal["active", "inactive"] = "active") -> list[UseCase]: ...

    def create_use_case(self, name: str) -> UseCase: ...

    def rename_use_case(self, use_case_id: str, name: str) -> UseCase: ...

    def archive_use_case(self, use_case_id: str) -> None: ...

    def unarchive_use_case(self, use_case_id: str) -> None: ...


def client(settings: Settings) -> VisionEventsClient:
    """A client of the destination: the cloud, or the Event Store that the settings name."""
    if settings.destination == CLOUD:
        return VisionEventsClient(settings=settings)
    if settings.destination == HERE or settings.destination.startswith(FILE_SCHEME):
        fail(
            f"VISION_EVENTS_DESTINATION is {settings.destination}: there is no API there. Set it to cloud or to the "
            "URL of an Event Store."
        )
    key = settings.event_store_key
    # A store without keys takes any; the client will not do without one.
    return VisionEventsClient(
        authorization=f"Bearer {key.get_secret_value() if key else 'none'}",
        base_url=settings.destination,
        settings=settings,
    )


def use_cases(settings: Settings) -> UseCaseBook:
    """The use cases of the destination; of this device, where events stay here."""
    if settings.destination == HERE:
        return _OwnUseCases(open_store(settings).use_cases)
    return client(settings)


class _OwnUseCases:
    """Those of the store on this device, as the client answers them."""

    def __init__(self, book: UseCases) -> None:
        self._book = book

    def list_use_cases(self, status: Literal["active", "inactive"] = "active") -> list[UseCase]:
        return [_answer(found) for found in self._book.all(is_active=status == "active")]

    def create_use_case(self, name: str) -> UseCase:
        return _answer(self._book.add(name))

    def rename_use_case(self, use_case_id: str, name: str) -> UseCase:
        return _answer(self._known(self._book.change(use_case_id, name=name), use_case_id))

    def archive_use_case(self, use_case_id: str) -> None:
        self._known(self._book.change(use_case_id, is_active=False), use_case_id)

    def unarchive_use_case(self, use_case_id: str) -> None:
        self._known(self._book.change(use_case_id, is_active=True), use_case_id)

    @staticmethod
    def _known(found: StoredUseCase | None, use_case_id: str) -> StoredUseCase:
        if found is None:
            raise UseCaseNotFound(404, f"The use case {use_case_id!r} does not exist.", "This event store")
        return found


def _answer(found: StoredUseCase) -> UseCase:
    return UseCase(
        id=found.id,
        name=found.name,
        status="active" if found.is_active else "inactive",
        created_at=datetime.fromtimestamp(found.created_at, timezone.utc),
        updated_at=datetime.fromtimestamp(found.updated_at, timezone.utc),
    )
