"""Small versions of image files."""

from __future__ import annotations

import io

from PIL import Image

from vision_event_block.image_files import NotAnImage

_SIZE = (320, 240)
# A device has little memory; a JPEG is decoded at an eighth of its size and passes anyhow.
_MOST_DECODED = 40_000_000


def thumbnail(data: bytes) -> bytes:
    """A small JPEG of an image file.

    Raises:
        NotAnImage: If its pixels cannot be decoded.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.draft("RGB", _SIZE)
            if image.width * image.height > _MOST_DECODED:
                raise NotAnImage(
                    f"The image has {image.width} x {image.height} pixels, too many for a preview."
                )
            image.thumbnail(_SIZE)
            small = io.BytesIO()
            image.convert("RGB").save(small, "JPEG", quality=80)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise NotAnImage(f"The image cannot be decoded: {error}") from None
    return small.getvalue()
