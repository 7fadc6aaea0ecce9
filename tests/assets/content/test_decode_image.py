import io
import struct
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from assets.content.decode_image import LARGE, decode, open_rgb
from assets.content.image_rejected import ImageRejected
from assets.content.read_image import read
from assets.content.settings import ImageSettings
from tests.assets.content.conftest import encoded
from tests.limited_memory import run_within

RED = encoded(Image.new("RGB", (6, 4), (255, 0, 0)))


def fit(image: Image.Image) -> np.ndarray:
    return np.asarray(image.resize((2, 2)), np.uint8).transpose(2, 0, 1)


def reason(content: bytes, max_pixels: int = 1000, seconds: float = 20) -> str:
    with pytest.raises(ImageRejected) as rejected:
        open_rgb(content, max_pixels, seconds=seconds)
    return str(rejected.value)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("L", (2, 2), 128), (128, 128, 128)),
        (Image.new("1", (2, 2), 1), (255, 255, 255)),
        (Image.new("LA", (2, 2), (9, 0)), (255, 255, 255)),
        (Image.new("RGBA", (2, 2), (255, 0, 0, 255)), (255, 0, 0)),
        (Image.new("RGBA", (2, 2), (255, 0, 0, 0)), (255, 255, 255)),
        (Image.new("RGB", (2, 2), (1, 2, 3)).quantize(4), (1, 2, 3)),
        (Image.fromarray(np.full((2, 2), 40_000, np.uint16)), (156, 156, 156)),
    ],
    ids=["grey", "bilevel", "grey-transparent", "opaque", "transparent", "palette", "grey-16-bit"],
)
def test_every_colour_mode_becomes_rgb(image: Image.Image, expected: tuple[int, int, int]) -> None:
    decoded = open_rgb(encoded(image), 1000)
    assert decoded.mode == "RGB"
    assert decoded.getpixel((0, 0)) == expected


def test_orientation_of_the_camera_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_rgb(encoded(Image.new("RGB", (6, 4)), "JPEG", exif=exif), 1000).size == (4, 6)


def test_broken_images_have_a_reason() -> None:
    jpeg = encoded(Image.effect_noise((64, 64), 90).convert("RGB"), "JPEG")
    assert reason(jpeg[: len(jpeg) // 2], 10_000) == "truncated"
    assert reason(b"hello") == "not an image of a known format"
    assert reason(encoded(Image.new("RGB", (2, 2)), "EPS")) == "not an image of a known format"


def test_a_decompression_bomb_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = encoded(Image.new("1", (4_000, 4_000)))
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    assert reason(bomb, 10**6) == "decompression bomb: more than 1000000 pixels"


def test_largest_allowed_image_is_decoded() -> None:
    assert open_rgb(RED, 24).size == (6, 4)
    assert "bomb" in reason(RED, 23)


@given(st.binary(max_size=200), st.integers(0, len(RED)), st.integers(0, len(RED) - 1))
def test_hostile_bytes_never_raise_anything_else(junk: bytes, cut: int, at: int) -> None:
    for content in (junk, RED[:cut], RED[:at] + junk + RED[at:]):
        decoded = decode([content], fit, ImageSettings())
        assert bool(decoded.accepted[0]) == (decoded.reasons[0] is None)


def test_a_batch_keeps_its_order_around_rejected_images(tmp_path: Path) -> None:
    green = tmp_path / "green.png"
    green.write_bytes(encoded(Image.new("RGB", (3, 3), (0, 255, 0))))
    sources = [None, RED, b"junk", str(green), green.as_uri(), "green.png", str(tmp_path / "none.png"), str(tmp_path)]
    decoded = decode(sources, fit, ImageSettings(root=str(tmp_path)))
    assert decoded.accepted.tolist() == [False, True, False, True, True, True, False, False]
    assert decoded.pixels.shape == (4, 3, 2, 2)
    assert decoded.pixels[:, :, 0, 0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 255, 0], [0, 255, 0]]
    assert [decoded.reasons[i] for i in (0, 2, 6, 7)] == [
        "no image given",
        "not an image of a known format",
        "file not found",
        "not a regular file",
    ]


def test_more_bytes_than_allowed_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(RED)
    assert read("red.png", ImageSettings(root=str(tmp_path), max_bytes=len(RED))) == RED
    for source in ("red.png", RED):
        with pytest.raises(ImageRejected, match=f"{len(RED) - 1} bytes"):
            read(source, ImageSettings(root=str(tmp_path), max_bytes=len(RED) - 1))


@pytest.mark.parametrize("size", [(5_000, 1), (1, 5_000), (20_000, 3), (65_000, 1), (201, 1)])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "BMP", "TIFF"])
def test_thin_images_have_a_reason(size: tuple[int, int], format: str) -> None:
    content = encoded(Image.new("RGB", size), format)
    assert reason(content, 10**6) == "too thin: one side is more than 200 times the other"
    assert open_rgb(content, 10**6, max_aspect=65_000).size == size


def test_the_thinnest_image_that_is_allowed_is_decoded() -> None:
    assert open_rgb(encoded(Image.new("RGB", (200, 1))), 1000).size == (200, 1)


def png(*chunks: tuple[bytes, bytes], size: tuple[int, int] = (2, 2)) -> bytes:
    """An RGB picture of zeros with `chunks` before its pixels."""
    width, height = size
    pixels = zlib.compress(bytes((3 * width + 1) * height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), *chunks, (b"IDAT", pixels), (b"IEND", b""))
    sums = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(sums)


@cache
def odd_images() -> dict[str, bytes]:
    noise = Image.effect_noise((40, 30), 80)
    exif = Image.Exif()
    exif[0x0112] = 99
    exif[0x9286] = b"x" * 60_000
    info = PngImagePlugin.PngInfo()
    for number in range(40):
        info.add_text(f"text {number}", "x" * 900_000, zip=True)
    frames = [noise.convert("P"), Image.new("P", (40, 30))]
    return {
        "cmyk": encoded(noise.convert("CMYK"), "JPEG"),
        "lab": encoded(Image.new("LAB", (40, 30)), "TIFF"),
        "float": encoded(Image.new("F", (40, 30), float("nan")), "TIFF"),
        "int32": encoded(Image.new("I", (40, 30), 70_000), "TIFF"),
        "animated gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "animated webp": encoded(noise, "WEBP", save_all=True, append_images=[noise.rotate(90)] * 5),
        "many pages": encoded(noise, "TIFF", save_all=True, append_images=[noise] * 50),
        "strange exif": encoded(noise.convert("RGB"), "JPEG", exif=exif),
        "large profile": encoded(noise, "PNG", icc_profile=bytes(10**6)),
        "text bomb": encoded(noise, "PNG", pnginfo=info),
        "one text bomb": png((b"zTXt", b"key\0\0" + zlib.compress(bytes(50 * 10**6)))),
        "profile bomb": png((b"iCCP", b"icc\0\0" + zlib.compress(bytes(50 * 10**6)))),
        "no pixels": png(size=(0, 0)),
        "no width": png(size=(0, 4)),
        "more than there is": png(size=(300, 300))[:-40],
        "palette without one": png()[:25] + b"\x03" + png()[26:],
        "disguised page": b"<html><body>not found</body></html>",
        "vector": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file",
        "pdf": b"%PDF-1.7\n",
        "zip": b"PK\x03\x04" + bytes(100),
    }


@pytest.mark.parametrize("name", odd_images())
def test_odd_images_are_used_or_have_a_reason_and_the_others_go_on(name: str) -> None:
    decoded = decode([RED, odd_images()[name], RED], fit, ImageSettings())
    usable = name in {
        *("cmyk", "lab", "float", "int32", "animated gif", "animated webp", "many pages", "strange exif"),
        *("large profile", "text bomb"),
    }
    assert decoded.accepted.tolist() == [True, usable, True]
    assert (decoded.reasons[1] is None) == usable


def test_odd_images_fit_into_little_memory() -> None:
    run_within(400, "tests.assets.content.test_decode_image:decode_odd_images")


def decode_odd_images() -> None:
    for image in odd_images().values():
        decode([image], fit, ImageSettings())


def test_whatever_resizing_raises_costs_one_image() -> None:
    def picky(image: Image.Image) -> np.ndarray:
        if image.getpixel((0, 0)) != (255, 0, 0):
            raise MemoryError
        return fit(image)

    decoded = decode([RED, encoded(Image.new("RGB", (3, 3))), RED], picky, ImageSettings())
    assert decoded.reasons == [None, "cannot be resized", None]
    assert decoded.pixels.shape == (2, 3, 2, 2)


def test_a_large_image_comes_back_smaller_and_the_same() -> None:
    pixels = np.zeros((3000, 4000, 4), np.uint8)
    pixels[:1500] = (255, 0, 0, 255)
    found = open_rgb(encoded(Image.fromarray(pixels), compress_level=1), 10**8)
    assert found.width * found.height <= LARGE
    assert found.width / found.height == pytest.approx(4 / 3, rel=0.01)
    assert found.getpixel((5, 5)) == (255, 0, 0)
    assert found.getpixel((5, found.height - 5)) == (255, 255, 255)


def test_a_small_file_cannot_keep_a_decoder_busy() -> None:
    """A progressive JPEG whose last scan is repeated: each pass over the picture costs a few dozen bytes."""
    saved = io.BytesIO()
    Image.new("L", (2000, 2000)).save(saved, "JPEG", progressive=True)
    content = saved.getvalue()
    last = content.rindex(b"\xff\xda")
    bomb = content[:last] + content[last:-2] * 3_000 + content[-2:]
    assert reason(bomb, 10**7, seconds=0.2) == "takes too long to decode"
