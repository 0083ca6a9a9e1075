"""Every error of this package.

VisionEventError
├── InvalidEvent            a value that cannot be mended
│   └── UnknownImage        an event shows an image that was never uploaded
├── NameTaken               two use cases cannot have one name
├── StoreError
│   ├── StoreFull           the quota or the disk has no room left
│   ├── StoreUnavailable    cannot be opened, read or written just now
│   ├── StoreCorrupt        the file is damaged; it was kept aside
│   └── StoreTooNew         written by a later version of this package
└── DeliveryError
    ├── NetworkError        no answer: refused, reset, timed out, unresolvable
    └── ApiError            an answer that is not a success
        ├── AuthenticationError   401, 402, 403: this key may not do this
        ├── PayloadRejected       other 4xx: sending it again would not help
        │   └── UseCaseNotFound   the use case does not exist
        ├── RateLimited           429
        └── ServerError           5xx and anything unexpected
"""

from __future__ import annotations


class VisionEventError(Exception):
    """Base of every error of this package."""


class InvalidEvent(VisionEventError):
    """A value from which no deliverable event can be made; the message names the field and the value."""


class UnknownImage(InvalidEvent):
    """An event refers to an image that is not in the store: it was never uploaded, or too long ago."""


class NameTaken(VisionEventError):
    """Another use case has this name."""


class StoreError(VisionEventError):
    """The event store could not do what it was asked to do. Nothing was half-written."""


class StoreFull(StoreError):
    """There is no room for the event, and nothing delivered is left to make room."""


class StoreUnavailable(StoreError):
    """The store cannot be opened, read or written just now. The next call tries again."""


class StoreCorrupt(StoreError):
    """The file of the store is damaged. It was moved aside and the next call starts a new one.

    What can be read of the damaged one is recorded in the new one by the backup.
    """


class StoreTooNew(StoreError):
    """The store was written by a later version of this package, whose schema is unknown here."""


class DeliveryError(VisionEventError):
    """A request to a destination did not succeed.

    Attributes:
        request: Method and path, never with a query or a credential.
    """

    request: str = ""

    @property
    def is_refusal(self) -> bool:
        """Whether what was sent was refused, so that sending it again would not help."""
        return False

    @property
    def may_be_the_events_fault(self) -> bool:
        """Whether an event can have caused this: a refusal or a plain 500, no overload and no outage."""
        return False


class NetworkError(DeliveryError):
    """The destination gave no answer, so it is unknown whether it processed the request.

    Attributes:
        was_sent: False if not even a connection was made, so that nothing can have been processed.
    """

    def __init__(self, message: str, request: str, was_sent: bool = True) -> None:
        super().__init__(message)
        self.request = request
        self.was_sent = was_sent


class ApiError(DeliveryError):
    """The destination answered, and the answer is not a success.

    Attributes:
        status: HTTP status code.
        body: What the server said, at most 2000 characters, credentials removed.
        retry_after: Seconds the server asks to wait, or None.
    """

    def __init__(self, status: int, body: str, request: str, retry_after: float | None = None) -> None:
        super().__init__(f"{request} answered {status}: {body or '(empty body)'}")
        self.status = status
        self.body = body
        self.request = request
        self.retry_after = retry_after

    @property
    def may_be_the_events_fault(self) -> bool:
        return self.is_refusal or self.status == 500


class AuthenticationError(ApiError):
    """401, 402 or 403: the API key is wrong, lacks the write scope, or its plan does not allow this."""


class PayloadRejected(ApiError):
    """400, 404, 409, 413, 415, 422 and the like: the same request would be refused again."""

    @property
    def is_refusal(self) -> bool:
        return True


class UseCaseNotFound(PayloadRejected):
    """The use case that a request names does not exist: create it first."""


class RateLimited(ApiError):
    """429: too many requests. `retry_after` says how long to wait, where the server says it."""


class ServerError(ApiError):
    """5xx, 408, 425 or an answer outside the contract: the same request may succeed later."""
