"""Every environment variable that this package reads, in one place.

What is ours has the prefix `VISION_EVENTS_`. What the inference server already names is read
under its name, so that one configuration serves both.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from platformdirs import user_data_path
from pydantic import (
    AliasChoices,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from vision_event_block.event_data import MAX_ID_LENGTH

MIB = 1024 * 1024
FILE_SCHEME = "file://"


def event_store_place(url: str) -> str:
    """The base URL of an Event Store, as routes name it.

    Raises:
        ValueError: If it is no URL, or one with a key in it, which would be written to the store and to logs.
    """
    scheme, _, rest = url.strip().rstrip("/").partition("://")
    if scheme not in ("http", "https") or not rest:
        raise ValueError(f"{url!r} is no URL such as http://gateway:8001")
    if "@" in rest.partition("/")[0]:
        raise ValueError("the URL holds a name or a key: set EVENT_INGESTION_API_KEY instead")
    return f"{scheme}://{rest}"


class Settings(BaseSettings):
    """Configuration of the event store and of the backup, read from the environment."""

    model_config = SettingsConfigDict(
        env_prefix="VISION_EVENTS_", extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    store: str = Field(
        default="",
        description="Place of the event store: a path, or a URL such as `sqlite:////var/lib/vision-events/events.db`. "
        "Empty: `vision-events/events.db` in the user's data folder.",
    )
    max_bytes: PositiveInt = Field(
        default=5 * 1024 * MIB,
        description="Largest size of the event store in bytes. Delivered events make room first; "
        "when pending events fill it, new ones are refused.",
    )
    max_records: PositiveInt = Field(
        default=1_000_000, description="Most events in the event store; makes room like `max_bytes`."
    )
    retention_days: PositiveFloat = Field(
        default=7.0, description="Delivered events older than this many days are removed from the device."
    )
    handover_bytes: PositiveInt = Field(
        default=48 * MIB,
        description="Most bytes of frames that may wait in memory to be recorded when nobody waits for them "
        "(`wait_for: nothing`). Beyond it, the step waits until its event is on disk.",
    )
    delivery_timeout_seconds: PositiveFloat = Field(
        default=30.0, description="How long `wait_for: delivery` waits for the destination to confirm."
    )
    exit_flush_seconds: NonNegativeFloat = Field(
        default=3.0,
        description="How long a process that ends keeps delivering. What remains is delivered at the next start.",
    )
    destination: str = Field(
        default="cloud",
        description="Where events go: `cloud`; the URL of an Event Store, such as `http://gateway:8001`; a folder "
        "for bundles, such as `file:///var/spool/vision-events`; or `here`, if this store is where they belong.",
    )
    use_case: str = Field(
        default="unassigned",
        min_length=1,
        max_length=MAX_ID_LENGTH,
        description="Use case of events that a device sends to the service without one.",
    )
    backup: bool = Field(
        default=True, description="Whether this process delivers. Off: events are recorded and wait."
    )
    uploads: PositiveInt = Field(
        default=48, le=256, description="How many images are uploaded at the same time."
    )

    api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("ROBOFLOW_API_KEY", "API_KEY"),
        description="The key events are delivered with where the Workflow run brings none.",
    )
    api_base_url: str = Field(
        default="",
        validation_alias=AliasChoices("API_BASE_URL"),
        description="Base URL of the Roboflow API. Empty: the public one of the region.",
    )
    roboflow_region: str = Field(
        default="us", validation_alias=AliasChoices("ROBOFLOW_REGION"), description="`us` or `eu`."
    )
    api_extra_headers: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("ROBOFLOW_API_EXTRA_HEADERS"),
        description="JSON object of headers sent with every request; an `Authorization` in it wins over the key.",
    )
    secure_gateway: str = Field(
        default="",
        validation_alias=AliasChoices("SECURE_GATEWAY", "LICENSE_SERVER"),
        description="Gateway that requests go through, as `https://gateway.local`; a bare host means HTTPS.",
    )
    event_store_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("EVENT_INGESTION_API_KEY"),
        description="The key that this device shows to Event Stores.",
    )
    server_keys: SecretStr = Field(
        default=SecretStr(""),
        description="Keys that the service takes, separated by commas. None: it takes no key, and "
        "answers this machine only.",
    )
    max_request_bytes: PositiveInt = Field(
        default=64 * MIB, description="Largest request that the service reads."
    )
    device_id: str | None = Field(
        default=None,
        validation_alias=AliasChoices("DEVICE_ID"),
        description="Device id of events whose step names none.",
    )

    @field_validator("destination")
    @classmethod
    def _a_place(cls, destination: str) -> str:
        if destination.strip() in ("cloud", "here"):
            return destination.strip()
        if destination.startswith(f"{FILE_SCHEME}/"):
            return destination
        try:
            return event_store_place(destination)
        except ValueError as error:
            raise ValueError(
                f"VISION_EVENTS_DESTINATION is none of cloud, here, file:///folder or a URL: {error}"
            ) from None

    @field_validator("api_base_url", "secure_gateway")
    @classmethod
    def _no_slash_at_the_end(cls, url: str) -> str:
        return url.strip().rstrip("/")

    @property
    def store_path(self) -> Path:
        """The file of the event store.

        Raises:
            ValueError: If `store` names another engine than SQLite.
        """
        if not self.store:
            return user_data_path("vision-events") / "events.db"
        scheme, separator, rest = self.store.partition("://")
        if not separator:
            return Path(self.store).expanduser().absolute()
        if scheme != "sqlite" or not rest.startswith("/"):
            raise ValueError(
                f"VISION_EVENTS_STORE is {self.store!r}: give a path, or sqlite:// and an absolute path, "
                "such as sqlite:////var/lib/vision-events/events.db"
            )
        # sqlite:///relative and sqlite:////absolute, as SQLAlchemy writes them.
        return Path(rest[1:]).expanduser().absolute()

    @property
    def cloud_url(self) -> str:
        """Base URL of the Roboflow API of the configured region, without a slash at the end."""
        if self.api_base_url:
            return self.api_base_url
        return (
            "https://api.roboflow.eu" if self.roboflow_region.lower() == "eu" else "https://api.roboflow.com"
        )

    def through_gateway(self, url: str) -> str:
        """The URL as the Secure Gateway wants it, or unchanged where there is none."""
        if not self.secure_gateway:
            return url
        gateway = self.secure_gateway if "://" in self.secure_gateway else f"https://{self.secure_gateway}"
        return f"{gateway}/proxy?url={quote(url, safe=chr(126) + '()*!' + chr(39))}"

    @property
    def extra_headers(self) -> dict[str, str]:
        """Headers of every request. A value that is no JSON object is ignored, as the inference server does."""
        try:
            headers = json.loads(self.api_extra_headers.get_secret_value())
        except ValueError:
            return {}
        return {str(k): str(v) for k, v in headers.items()} if isinstance(headers, dict) else {}

    @property
    def accepted_keys(self) -> tuple[str, ...]:
        """The keys that the service takes."""
        return tuple(key.strip() for key in self.server_keys.get_secret_value().split(",") if key.strip())

    @property
    def authorization(self) -> str | None:
        """Value of the Authorization header that is configured for this device, if any."""
        return self.authorization_for(None)

    def authorization_for(self, api_key: str | None) -> str | None:
        """Value of the Authorization header for a key, or for that of this device where there is none.

        A configured header wins, as in the inference server.
        """
        for name, value in self.extra_headers.items():
            if name.lower() == "authorization":
                return value
        key = api_key or (self.api_key.get_secret_value() if self.api_key else None)
        return f"Bearer {key}" if key else None
