"""Image files that come from outside: what they are."""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import re
import warnings

from PIL import Image, UnidentifiedImageError

from vision_event_block.errors import InvalidEvent
from vision_event_block.images import EncodedImage
from vision_event_block.mending import shown

with contextlib.suppress(ImportError):  # HEIC, where the extra is installed
    from pillow_heif import register_heif_opener

    register_heif_opener()

# What the API documents: https://docs.roboflow.com/developer/rest-api/vision-events/upload-a-vision-event-image
_TYPES = {
    "JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif",
    "TIFF": "image/tiff", "BMP": "image/bmp", "HEIF": "image/heic", "AVIF": "image/avif",
}  # fmt: skip
# The largest that the same platform takes into datasets.
MAX_WIDTH, MAX_HEIGHT = 16_400, 10_900
_DATA_URL = re.compile(r"^data:image/[a-z+.-]+;base64,")


class NotAnImage(InvalidEvent):
    """The bytes are no image of a kind that is taken."""


def read_image(data: bytes) -> EncodedImage:
    """Looks at an image file without decoding its pixels.

    Raises:
        NotAnImage: If it is none, of another kind, or larger than 16400 x 10900 pixels.
    """
    try:
        with warnings.catch_warnings():
            # The size is checked below, before anything is decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                content_type = _TYPES.get(image.format or "")
                width, height = image.size
                if max(width, height) > MAX_WIDTH or min(width, height) > MAX_HEIGHT:
                    raise NotAnImage(
                        f"The image has {width} x {height} pixels, at most {MAX_WIDTH} x {MAX_HEIGHT} are taken."
                    )
                image.verify()
    except Image.DecompressionBombError:
        raise NotAnImage(
            f"The image has more than {MAX_WIDTH} x {MAX_HEIGHT} pixels, which is the most that is taken."
        ) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise NotAnImage(
            f"The file of {len(data)} bytes beginning with {shown(data[:12])} is no image that can be read "
            f"({type(error).__name__}). Send JPEG, PNG, WebP, GIF, TIFF, BMP, HEIC or AVIF."
        ) from None
    if content_type is None:
        raise NotAnImage(
            "The file is an image of a kind that is not taken. Send JPEG, PNG, WebP, GIF, TIFF, BMP, HEIC or AVIF."
        )
    return EncodedImage.of(data, content_type, width, height)


def read_base64(text: str) -> EncodedImage:
    """An image file as base64, with or without `data:image/…;base64,` before it.

    Raises:
        NotAnImage: If it is no base64 or no image.
    """
    try:
        data = base64.b64decode(_DATA_URL.sub("", text[:64]) + text[64:], validate=True)
    except (binascii.Error, ValueError):
        raise NotAnImage(f"The image {shown(text[:40])} is no base64.") from None
    return read_image(data)
