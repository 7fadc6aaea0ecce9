"""Which files a catalogue may name: regular ones below the profile's folders, and no others."""

import os
from pathlib import Path

import pytest

from assets.content.image_rejected import ImageRejected
from assets.content.read_image import read, stamp
from assets.content.settings import ImageSettings

CONTENT = b"an image"
OUTSIDE = "outside the folders"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.png").write_bytes(CONTENT)
    (tmp_path / "secret.txt").write_bytes(b"secret")
    (tmp_path / "photos-private").mkdir()
    (tmp_path / "photos-private" / "b.png").write_bytes(b"secret")
    return folder


def reason(source: str, settings: ImageSettings) -> str:
    with pytest.raises(ImageRejected) as rejected:
        read(source, settings)
    return str(rejected.value)


def test_a_file_below_a_root_is_read_however_it_is_named(photos: Path) -> None:
    path = photos / "deep" / "a.png"
    (photos / "with space#?é%20[x].png").write_bytes(CONTENT)
    for settings in (ImageSettings(roots=(str(photos),)), ImageSettings(root=str(photos.parent))):
        assert read(str(path), settings) == CONTENT
        assert read(path.as_uri(), settings) == CONTENT
        assert read(f"FILE://localhost{path}", settings) == CONTENT
        assert read(f"{photos}/../photos/deep/a.png", settings) == CONTENT
        assert read(str(photos / "with space#?é%20[x].png"), settings) == CONTENT
        assert read((photos / "with space#?é%20[x].png").as_uri(), settings) == CONTENT
    assert read("deep/a.png", ImageSettings(root=str(photos))) == CONTENT


@pytest.mark.parametrize(
    "source",
    [
        *("/etc/passwd", "file:///etc/passwd", "FILE:///etc/passwd", "file:///etc/p%61sswd", "/proc/self/environ"),
        *(
            "../secret.txt",
            "deep/../../secret.txt",
            "../photos-private/b.png",
            "../../../../../../etc/passwd",
            "/dev/zero",
        ),
    ],
)
def test_nothing_else_is_opened(photos: Path, source: str) -> None:
    settings = ImageSettings(root=str(photos))
    assert OUTSIDE in reason(source, settings)
    assert stamp(source, settings) == ""


@pytest.mark.parametrize("source", ["file://elsewhere/etc/passwd", "file:///etc/passwd?x", "file:///etc/passwd#x"])
def test_a_file_uri_has_a_path_alone(photos: Path, source: str) -> None:
    assert reason(source, ImageSettings(root=str(photos))) == "a file URI with more than a path"


def test_without_folders_no_file_is_read(photos: Path) -> None:
    assert OUTSIDE in reason(str(photos / "deep" / "a.png"), ImageSettings())
    assert "content.image.root is not set" in reason("deep/a.png", ImageSettings())


def test_links_are_followed_first(photos: Path) -> None:
    (photos / "out.png").symlink_to(photos.parent / "secret.txt")
    (photos / "folder").symlink_to(photos.parent / "photos-private")
    (photos / "in.png").symlink_to(photos / "deep" / "a.png")
    (photos / "loop.png").symlink_to(photos / "loop.png")
    (photos.parent / "other-name").symlink_to(photos)
    settings = ImageSettings(root=str(photos))
    assert OUTSIDE in reason("out.png", settings)
    assert OUTSIDE in reason("folder/b.png", settings)
    assert reason("loop.png", settings) == "file cannot be read"
    assert read("in.png", settings) == CONTENT
    assert read("in.png", ImageSettings(root=str(photos.parent / "other-name"))) == CONTENT


def test_a_link_that_appears_after_the_check_is_not_followed(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.path.realpath

    def exchanged_after(path: str | Path) -> str:
        found = real(path)
        if found.endswith("a.png") and not (photos / "deep").is_symlink():
            (photos / "deep").rename(photos / "was-deep")
            (photos / "deep").symlink_to(photos.parent)
            (photos.parent / "a.png").write_bytes(b"secret")
        return found

    monkeypatch.setattr(os.path, "realpath", exchanged_after)
    assert reason("deep/a.png", ImageSettings(root=str(photos))) == "file cannot be read"


@pytest.mark.timeout(20)
def test_pipes_sockets_and_folders_are_no_images(photos: Path) -> None:
    os.mkfifo(photos / "pipe.png")
    settings = ImageSettings(root=str(photos))
    assert reason("pipe.png", settings) == "not a regular file"
    assert reason("deep", settings) == "not a regular file"
    assert reason(".", settings) == "not a regular file"


def test_names_that_no_file_can_have(photos: Path) -> None:
    settings = ImageSettings(root=str(photos))
    assert reason("a\0b.png", settings) == "file cannot be read"
    assert reason("x" * 5000, settings) == "file cannot be read"
    assert reason("missing.png", settings) == "file not found"
    assert stamp("a\0b.png", settings) == ""


def test_size_and_time_are_those_of_the_file_itself(photos: Path) -> None:
    settings = ImageSettings(root=str(photos))
    before = stamp("deep/a.png", settings)
    assert before == stamp((photos / "deep" / "a.png").as_uri(), settings) != ""
    (photos / "deep" / "a.png").write_bytes(b"another image")
    assert stamp("deep/a.png", settings) != before
