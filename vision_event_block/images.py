"""Image files in memory, and how pixels become one."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vision_event_block.errors import InvalidEvent

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# What the stock block sends: the original is worth more bytes than the picture drawn from it.
INPUT_QUALITY = 95
OUTPUT_QUALITY = 85

_EXIF_ORIENTATION = 0x0112
_PASSED_ON = {"JPEG": "image/jpeg", "PNG": "image/png"}
_EXTENSIONS = {
    "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/gif": "gif", "image/tiff": "tiff",
    "image/bmp": "bmp", "image/heic": "heic", "image/avif": "avif",
}  # fmt: skip


@dataclass(frozen=True)
class EncodedImage:
    """An image file in memory.

    Attributes:
        data: The bytes of the file.
        content_type: Its media type, such as `image/jpeg`.
        width, height: Size in pixels.
        sha256: Digest of `data` in hexadecimal; it names the image in the event store.
    """

    data: bytes = field(repr=False)
    content_type: str
    width: int
    height: int
    sha256: str

    @classmethod
    def of(cls, data: bytes, content_type: str, width: int, height: int) -> EncodedImage:
        """The image with its digest."""
        return cls(data, content_type, width, height, hashlib.sha256(data).hexdigest())


def extension_of(content_type: str) -> str:
    """The usual end of the name of such a file, without the dot."""
    return _EXTENSIONS.get(content_type, "bin")


def encode_jpeg(pixels: Array, quality: int) -> EncodedImage:
    """Encodes (height, width, 3) BGR or (height, width) gray pixels as JPEG.

    Raises:
        InvalidEvent: If the array is no such image.
    """
    import cv2
    import numpy as np

    if pixels.dtype != np.uint8:
        pixels = np.clip(np.nan_to_num(pixels), 0, 255).astype(np.uint8)
    try:
        done, buffer = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error as error:
        raise InvalidEvent(
            f"An image of shape {pixels.shape} cannot be encoded as JPEG: {error.err}"
        ) from None
    if not done:
        raise InvalidEvent(f"An image of shape {pixels.shape} cannot be encoded as JPEG.")
    return EncodedImage.of(buffer.tobytes(), "image/jpeg", int(pixels.shape[1]), int(pixels.shape[0]))


def as_it_came(original: bytes, width: int, height: int) -> EncodedImage | None:
    """The file itself if it is a JPEG or PNG that shows just these pixels, else None.

    A file with an EXIF orientation is not passed on: the engine turned its pixels, and the
    boxes are in the turned picture.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(original)) as image:
            content_type = _PASSED_ON.get(image.format or "")
            turned = image.getexif().get(_EXIF_ORIENTATION, 1) != 1
            if content_type is None or turned or image.size != (width, height):
                return None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return EncodedImage.of(original, content_type, width, height)
