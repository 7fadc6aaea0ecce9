import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from assets.content.images import ImageRejected, decode, open_rgb, read
from assets.content.settings import ImageSettings
from tests.assets.content.conftest import encoded

RED = encoded(Image.new("RGB", (6, 4), (255, 0, 0)))


def fit(image: Image.Image) -> np.ndarray:
    return np.asarray(image.resize((2, 2)), np.uint8).transpose(2, 0, 1)


def reason(content: bytes, max_pixels: int = 1000) -> str:
    with pytest.raises(ImageRejected) as rejected:
        open_rgb(content, max_pixels)
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
        "file cannot be read",
    ]


def test_more_bytes_than_allowed_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(RED)
    assert read(str(path), ImageSettings(max_bytes=len(RED))) == RED
    with pytest.raises(ImageRejected, match="larger than"):
        read(str(path), ImageSettings(max_bytes=len(RED) - 1))


@pytest.fixture
def web() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/red.png" else 404)
            self.end_headers()
            self.wfile.write(RED)

        def log_message(self, *_args: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_web_addresses_are_fetched_only_if_allowed(web: str) -> None:
    assert read(f"{web}/red.png", ImageSettings(download=True)) == RED
    with pytest.raises(ImageRejected, match="cannot be fetched"):
        read(f"{web}/other.png", ImageSettings(download=True))
    with pytest.raises(ImageRejected, match="download is off"):
        read(f"{web}/red.png", ImageSettings())
