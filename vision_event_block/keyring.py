"""The credentials of this process, in memory only.

The store knows a credential by its fingerprint, so that an event is delivered with the key it was
recorded for and with no other, while the key itself is never written anywhere.
"""

from __future__ import annotations

import hashlib
import hmac
import threading

from vision_event_block.store.model import NO_CREDENTIAL


def fingerprint(authorization: str | None) -> str:
    """A name for a credential from which the credential cannot be had; `NO_CREDENTIAL` for none."""
    if not authorization:
        return NO_CREDENTIAL
    return hmac.new(b"vision_event_block/credential", authorization.encode(), hashlib.sha256).hexdigest()[:16]


class Keyring:
    """Authorization headers by fingerprint."""

    def __init__(self, default: str | None = None) -> None:
        """`default` delivers events that were recorded while there was no key."""
        self._lock = threading.Lock()
        self._authorizations: dict[str, str] = {}
        if default:
            self._authorizations[NO_CREDENTIAL] = default
            self.add(default)

    def add(self, authorization: str | None) -> bool:
        """Takes a credential into the ring; false if there is none, or it is there already."""
        if not authorization:
            return False
        name = fingerprint(authorization)
        with self._lock:
            is_new = name not in self._authorizations
            self._authorizations[name] = authorization
        return is_new

    def get(self, name: str) -> str | None:
        """The authorization of that fingerprint, if this process has it."""
        with self._lock:
            return self._authorizations.get(name)

    def __repr__(self) -> str:
        return f"Keyring({len(self._authorizations)} credentials)"
