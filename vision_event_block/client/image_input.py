"""An image in whatever form a caller has it -> the file to upload."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from vision_event_block.errors import InvalidEvent
from vision_event_block.image_files import NotAnImage, read_image
from vision_event_block.images import INPUT_QUALITY, encode_jpeg

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


@runtime_checkable
class ImageFile(Protocol):
    """An image file in memory, with its media type."""

    @property
    def data(self) -> bytes: ...

    @property
    def content_type(self) -> str: ...


ImageInput: TypeAlias = "str | os.PathLike[str] | bytes | np.ndarray[Any, Any] | Image | ImageFile"
"""A path, the bytes of a file, (height, width, 3) BGR or (height, width) gray pixels, a Pillow image."""


def image_file(image: ImageInput) -> ImageFile:
    """The image as a file. Files are passed on as they are, pixels become JPEG of quality 95.

    Raises:
        InvalidEvent: If it is no image that the API takes.
        OSError: If a path cannot be read.
    """
    if isinstance(image, str | os.PathLike):
        path = Path(image)
        try:
            return read_image(path.read_bytes())
        except NotAnImage as error:
            raise NotAnImage(f"{path}: {error}") from None
    if isinstance(image, bytes | bytearray | memoryview):
        return read_image(bytes(image))
    if isinstance(image, ImageFile):
        return image
    return encode_jpeg(_pixels(image), INPUT_QUALITY)


def _pixels(image: Any) -> np.ndarray[Any, Any]:
    import numpy as np
    from PIL import Image

    if isinstance(image, Image.Image):
        return np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])
    if not isinstance(image, np.ndarray) or image.ndim not in (2, 3) or not image.size:
        kind = f"{type(image).__name__} of shape {getattr(image, 'shape', '?')}"
        raise InvalidEvent(
            f"The image is a {kind}: give a path, the bytes of a file, a Pillow image, or an array of "
            "(height, width, 3) pixels in BGR order."
        )
    return image
