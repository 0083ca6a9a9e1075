"""The Vision Events REST API as a typed client.

https://docs.roboflow.com/developer/rest-api/vision-events
"""

from vision_event_block.client.answers import (
    CreatedBatch,
    CreatedEvent,
    CreatedEvents,
    DeletedEvents,
    EventPage,
    FoundEvent,
    MetadataSchema,
    UploadedImage,
    UseCase,
)
from vision_event_block.client.client import QueryFilters, VisionEventsClient

__all__ = [
    "CreatedBatch",
    "CreatedEvent",
    "CreatedEvents",
    "DeletedEvents",
    "EventPage",
    "FoundEvent",
    "MetadataSchema",
    "QueryFilters",
    "UploadedImage",
    "UseCase",
    "VisionEventsClient",
]
