"""Images that were recorded a moment ago and are about to be sent: still in memory, not to be read back."""

from __future__ import annotations

import contextlib

from vision_event_block.images import EncodedImage


class RecentImages:
    """What was recorded last, each handed out once. Safe to use from several threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        # Its operations are atomic, so that a fork leaves no lock behind.
        self._images: dict[str, EncodedImage] = {}

    def keep(self, image: EncodedImage) -> None:
        """Keeps an image, and the latest of the others as far as there is room."""
        self._images[image.sha256] = image
        while sum(len(image.data) for image in list(self._images.values())) > self._max_bytes:
            with contextlib.suppress(StopIteration, KeyError, RuntimeError):  # another thread was faster
                del self._images[next(iter(self._images))]

    def take(self, sha256: str) -> EncodedImage | None:
        """The image, which then is forgotten here."""
        return self._images.pop(sha256, None)
