"""Reads and decodes item images: hostile, broken and missing ones become a reason, never an exception."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from assets.content.settings import ImageSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Raster formats only: Pillow would hand EPS to an external interpreter."""

READERS = 8
"""Threads that read and decode; Pillow and the network release the interpreter lock."""

Source = bytes | str | None
Fit = Callable[[Image.Image], "NDArray[np.uint8]"]


class ImageRejected(ValueError):
    """An image that cannot be used; the message is the reason under which it is counted."""


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
            return fit(open_rgb(read(source, settings), settings.max_pixels))
        except ImageRejected as rejected:
            return str(rejected)

    with ThreadPoolExecutor(READERS) as readers:
        results = list(readers.map(attempt, sources))
    pixels = [result for result in results if not isinstance(result, str)]
    return Decoded(
        pixels=np.stack(pixels) if pixels else np.empty((0, 3, 0, 0), np.uint8),
        accepted=np.array([not isinstance(result, str) for result in results], bool),
        reasons=[result if isinstance(result, str) else None for result in results],
    )


def read(source: Source, settings: ImageSettings) -> bytes:
    """The encoded bytes behind `source`, at most `settings.max_bytes` of them.

    Raises:
        ImageRejected: nothing there, too large, or not to be fetched.
    """
    if not source:
        raise ImageRejected("no image given")
    if isinstance(source, bytes):
        content = source
    elif source.startswith(("http://", "https://")):
        content = _download(source, settings)
    else:
        content = _read_file(source, settings)
    if not content:
        raise ImageRejected("empty file")
    if len(content) > settings.max_bytes:
        raise ImageRejected(f"larger than {settings.max_bytes} bytes")
    return content


def open_rgb(content: bytes, max_pixels: int) -> Image.Image:
    """Decodes `content` to RGB: first frame, upright, transparency on white, 16-bit greys scaled to 8.

    Raises:
        ImageRejected: not an image, broken, or of more than `max_pixels` pixels (checked before decoding).
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise ImageRejected(f"decompression bomb: more than {max_pixels} pixels")
            return _to_rgb(ImageOps.exif_transpose(image))
    except ImageRejected:
        raise
    except UnidentifiedImageError as error:
        raise ImageRejected("not an image of a known format") from error
    except Image.DecompressionBombError as error:
        raise ImageRejected(f"decompression bomb: more than {max_pixels} pixels") from error
    except Exception as error:  # decoders raise almost any kind on broken bytes
        truncated = isinstance(error, EOFError) or "truncated" in str(error).lower()
        raise ImageRejected("truncated" if truncated else "does not decode") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.int64)
        image = Image.fromarray((grey >> 8 if grey.max() > 255 else grey).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _read_file(source: str, settings: ImageSettings) -> bytes:
    from pyarrow import fs

    try:
        if "://" in source:
            system, path = fs.FileSystem.from_uri(source)
        else:
            system, path = fs.LocalFileSystem(), str(Path(settings.root) / source)
        with system.open_input_stream(path) as stream:
            content: bytes = stream.read(settings.max_bytes + 1)
    except FileNotFoundError as error:
        raise ImageRejected("file not found") from error
    except (OSError, ValueError) as error:
        raise ImageRejected("file cannot be read") from error
    return content


def _download(address: str, settings: ImageSettings) -> bytes:
    import httpx

    if not settings.download:
        raise ImageRejected("at a web address, and content.image.download is off")
    content = b""
    try:
        with httpx.stream("GET", address, timeout=20, follow_redirects=True) as response:
            response.raise_for_status()
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > settings.max_bytes:
                    break
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ImageRejected("cannot be fetched") from error
    return content
