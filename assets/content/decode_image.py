"""Decodes item images: hostile, broken and missing ones become a reason, never an exception."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from assets.content.image_rejected import ImageRejected
from assets.content.read_image import Source, read
from assets.content.settings import ImageSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Raster formats only: Pillow would hand EPS to an external interpreter."""

READERS = 8
"""Threads that read and decode; Pillow and the network release the interpreter lock."""

LARGE = 4 * 10**6
"""Pixels from which images are decoded one at a time, so that eight at once do not multiply the memory of the largest.

They are also scaled down to about so many before anything else is done to them.
"""

PIECE = 4096
"""Bytes of a JPEG that are decoded before the time is looked at: so many can ask for hundreds of passes over it."""

Fit = Callable[[Image.Image], "NDArray[np.uint8]"]

_one_large = Lock()


@dataclass(frozen=True)
class Decoded:
    """A batch of images.

    Attributes:
        pixels: (m, 3, height, width) uint8 RGB of the m images that decoded, in order.
        accepted: (n,) bool, which of the n sources those are.
        reasons: Length n, why a source gave no image; None where it did.
    """

    pixels: NDArray[np.uint8]
    accepted: NDArray[np.bool_]
    reasons: list[str | None]


def decode(sources: Sequence[Source], fit: Fit, settings: ImageSettings) -> Decoded:
    """Reads each of `sources` (encoded bytes, a path or a URI) and brings it to one size with `fit`."""

    def attempt(source: Source) -> NDArray[np.uint8] | str:
        try:
            content = read(source, settings)
            return fit(open_rgb(content, settings.max_pixels, settings.max_aspect, settings.timeout_s))
        except ImageRejected as rejected:
            return str(rejected)
        except Exception:  # one image, whatever is wrong with it, is not the others' matter
            return "cannot be resized"

    with ThreadPoolExecutor(READERS) as readers:
        results = list(readers.map(attempt, sources))
    pixels = [result for result in results if not isinstance(result, str)]
    return Decoded(
        pixels=np.stack(pixels) if pixels else np.empty((0, 3, 0, 0), np.uint8),
        accepted=np.array([not isinstance(result, str) for result in results], bool),
        reasons=[result if isinstance(result, str) else None for result in results],
    )


def open_rgb(content: bytes, max_pixels: int, max_aspect: float = 200, seconds: float = 20) -> Image.Image:
    """Decodes `content` to RGB: first frame, upright, transparency on white, 16-bit greys scaled to 8.

    Images of more than `LARGE` pixels come back smaller.

    Args:
        content: The encoded image.
        max_pixels: Largest image that is decoded; its header is asked before.
        max_aspect: Largest ratio of the longer to the shorter side.
        seconds: Time after which decoding is given up where the decoder asks for more of `content`.

    Raises:
        ImageRejected: not an image, broken, too large, too thin or too slow.
    """
    timed = _Timed(content, seconds)
    try:
        with Image.open(timed, formats=FORMATS) as image:
            shorter, longer = sorted(image.size)
            if shorter * longer > max_pixels:
                raise ImageRejected(f"decompression bomb: more than {max_pixels} pixels")
            if longer > max_aspect * shorter:
                raise ImageRejected(f"too thin: one side is more than {max_aspect:g} times the other")
            if isinstance(image, JpegImageFile):
                image.decodermaxblock = PIECE
            large = shorter * longer > LARGE
            with _one_large if large else nullcontext():
                timed.restart()
                image.load()
                return _to_rgb(image)
    except ImageRejected:
        raise
    except UnidentifiedImageError as error:
        raise ImageRejected("not an image of a known format") from error
    except Image.DecompressionBombError as error:
        raise ImageRejected(f"decompression bomb: more than {max_pixels} pixels") from error
    except Exception as error:  # decoders raise almost any kind on broken bytes
        truncated = isinstance(error, EOFError) or "truncated" in str(error).lower()
        raise ImageRejected("truncated" if truncated else "does not decode") from error


class _Timed(io.BytesIO):
    """Bytes that are no longer handed out once time is up: a small file can keep a decoder busy for hours."""

    def __init__(self, content: bytes, seconds: float) -> None:
        super().__init__(content)
        self._seconds = seconds
        self.restart()

    def restart(self) -> None:
        """Restarts the clock: waiting for a turn is not work."""
        self._end = time.monotonic() + self._seconds

    def read(self, size: int | None = -1, /) -> bytes:
        if time.monotonic() > self._end:
            raise ImageRejected("takes too long to decode")
        return super().read(size)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        image = _to_grey(image)
    ImageOps.exif_transpose(image, in_place=True)
    transparent = image.has_transparency_data
    image = image.convert("RGBA" if transparent else "RGB")
    if image.width * image.height > LARGE:
        image = image.reduce(int(np.ceil(np.sqrt(image.width * image.height / LARGE))))
    if transparent:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _to_grey(image: Image.Image) -> Image.Image:
    """8-bit greys of one with more bits a pixel."""
    grey = np.asarray(image)
    scaled = grey // 256 if grey.max() > 255 else grey
    return Image.fromarray(np.nan_to_num(scaled).clip(0, 255).astype(np.uint8))
