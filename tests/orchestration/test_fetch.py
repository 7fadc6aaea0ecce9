"""Datasets over real HTTP on loopback: whole and checked, or not there at all."""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from assets.sources.settings import source_settings
from orchestration import cli
from orchestration.archives import unpack
from orchestration.datasets import CATALOGUE, Dataset, Download, dataset, names
from orchestration.download import DownloadError
from orchestration.fetch import ChecksumError, fetch, profile_yaml
from orchestration.profile import load_profile

CONTENT = bytes(range(256)) * 400


@dataclass
class Host:
    """What the server serves, and what it was asked.

    Attributes:
        url: Its address.
        files: Path to content.
        etag: Of all files.
        breaks: Bytes after which each of the next answers breaks off.
        ranges: The `Range` of each request, or None.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    etag: str = '"1"'
    breaks: list[int] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture
def host() -> Iterator[Host]:
    served = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            served.ranges.append(wanted)
            content = served.files.get(self.path)
            if content is None:
                return self.send_error(404)
            start = int(wanted[6:-1]) if wanted and self.headers.get("If-Range") == served.etag else 0
            if start >= len(content) > 0:
                return self.send_error(416)
            self.send_response(206 if start else 200)
            self.send_header("ETag", served.etag)
            self.send_header("Content-Length", str(len(content) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            end = start + served.breaks.pop(0) if served.breaks else len(content)
            self.wfile.write(content[start:end])

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def _zip(**files: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/"), text)
    return packed.getvalue()


def _tar(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content).hexdigest()}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _dataset(*downloads: Download) -> Dataset:
    return Dataset("toy", downloads, "Toy: do what you like.", {"source": {"kind": "movielens", "path": "{folder}/in"}})


def _fetch(found: Dataset, into: Path, **options: list[str]) -> str:
    told = io.StringIO()
    fetch(found, into, Console(file=told, width=200), **options)
    return told.getvalue()


def _left(folder: Path) -> list[str]:
    """Files below the folder; an empty folder counts for none."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_checked_archive_is_unpacked_and_its_profile_printed(host: Host, tmp_path: Path) -> None:
    archive = _zip(in__ratings="r", in__deep__movies="m")
    host.files = {"/toy.zip": archive, "/toy.zip.md5": f"MD5 (toy.zip) = {_md5(archive)[4:].upper()}\n".encode()}
    found = _dataset(Download(f"{host.url}/toy.zip", checksum_url=f"{host.url}/toy.zip.md5"))
    told = _fetch(found, tmp_path)
    assert _left(tmp_path) == ["toy/in/deep/movies", "toy/in/ratings"]
    assert "Toy: do what you like." in told
    assert f"{tmp_path}/toy/in" in told
    asked = len(host.ranges)
    assert _fetch(found, tmp_path) == told.lstrip()
    assert len(host.ranges) == asked


def test_a_pointer_of_git_lfs_and_a_fixed_digest_are_checksums(host: Host, tmp_path: Path) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{_sha256(CONTENT)}\nsize 1\n"
    host.files = {"/a.parquet": CONTENT, "/pointer": pointer.encode(), "/b.tar.gz": _tar("b/data.csv", CONTENT)}
    _fetch(
        _dataset(
            Download(f"{host.url}/a.parquet", checksum_url=f"{host.url}/pointer"),
            Download(f"{host.url}/b.tar.gz", checksum=_md5(host.files["/b.tar.gz"])),
        ),
        tmp_path,
    )
    assert _left(tmp_path) == ["toy/a.parquet", "toy/b/data.csv"]
    assert (tmp_path / "toy/a.parquet").read_bytes() == CONTENT


def test_a_download_that_breaks_off_goes_on_where_it_stopped(host: Host, tmp_path: Path) -> None:
    host.files = {"/a.csv": CONTENT}
    host.breaks = [1_000, 50_000]
    _fetch(_dataset(Download(f"{host.url}/a.csv", checksum=_md5(CONTENT))), tmp_path)
    assert host.ranges == [None, "bytes=1000-", "bytes=51000-"]
    assert (tmp_path / "toy/a.csv").read_bytes() == CONTENT


def test_a_truncated_download_is_never_taken_for_whole_and_the_next_run_goes_on(host: Host, tmp_path: Path) -> None:
    host.files = {"/a.csv": CONTENT}
    host.breaks = [1_000] + [0] * 5
    found = _dataset(Download(f"{host.url}/a.csv", checksum=_md5(CONTENT)))
    with pytest.raises(DownloadError, match=r"a\.csv stopped after 1000 bytes .*run the command again"):
        _fetch(found, tmp_path)
    assert not (tmp_path / "toy").exists()
    host.ranges.clear()
    _fetch(found, tmp_path)
    assert host.ranges == ["bytes=1000-"]
    assert _left(tmp_path) == ["toy/a.csv"]


def test_another_version_of_the_file_is_not_glued_to_the_beginning_of_the_old_one(host: Host, tmp_path: Path) -> None:
    host.files = {"/a.csv": CONTENT}
    host.breaks = [1_000] + [0] * 5
    with pytest.raises(DownloadError):
        _fetch(_dataset(Download(f"{host.url}/a.csv")), tmp_path)
    host.files, host.etag = {"/a.csv": b"new" * 600}, '"2"'
    _fetch(_dataset(Download(f"{host.url}/a.csv")), tmp_path)
    assert (tmp_path / "toy/a.csv").read_bytes() == b"new" * 600


def test_a_file_that_was_whole_when_the_run_died_is_not_fetched_again(host: Host, tmp_path: Path) -> None:
    host.files = {"/a.csv": CONTENT}
    draft = tmp_path / ".toy.fetching"
    draft.mkdir()
    (draft / "a.csv.part").write_bytes(CONTENT)
    (draft / "a.csv.part.version").write_text(host.etag)
    _fetch(_dataset(Download(f"{host.url}/a.csv", checksum=_md5(CONTENT))), tmp_path)
    assert host.ranges == [f"bytes={len(CONTENT)}-"]
    assert (tmp_path / "toy/a.csv").read_bytes() == CONTENT


def test_a_wrong_checksum_is_refused_and_nothing_is_left(host: Host, tmp_path: Path) -> None:
    host.files = {"/a.csv": CONTENT}
    with pytest.raises(ChecksumError, match=r"a\.csv has the md5 .* not the md5 that the publisher states .*deleted"):
        _fetch(_dataset(Download(f"{host.url}/a.csv", checksum=_md5(b"other"))), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_archive_is_not_kept_either(host: Host, tmp_path: Path) -> None:
    host.files = {"/x.zip": _zip(a="a" * 9_999)[:90]}
    found = _dataset(Download(f"{host.url}/x.zip", checksum=_md5(host.files["/x.zip"])))
    with pytest.raises(ValueError, match=r"x\.zip is damaged .*fetch it again"):
        _fetch(found, tmp_path)
    assert _left(tmp_path) == []


def test_a_file_without_a_published_checksum_is_trusted_once_and_remembered(host: Host, tmp_path: Path) -> None:
    host.files = {"/a.csv": CONTENT}
    found = _dataset(Download(f"{host.url}/a.csv"))
    assert f"a.csv has the sha256 {_sha256(CONTENT)}. Its publisher states none" in _fetch(found, tmp_path)
    assert (tmp_path / "toy.sha256").read_text() == f"{_sha256(CONTENT)}  a.csv\n"
    for file in (tmp_path / "toy").iterdir():
        file.unlink()
    (tmp_path / "toy").rmdir()
    assert "publisher" not in _fetch(found, tmp_path)
    (tmp_path / "toy").rename(tmp_path / "old")
    host.files = {"/a.csv": b"changed"}
    with pytest.raises(ChecksumError, match=r"which is not the sha256 that .*toy\.sha256 remembers"):
        _fetch(found, tmp_path)
    assert not (tmp_path / "toy").exists()


def test_a_given_sha256_decides_where_the_publisher_states_none(host: Host, tmp_path: Path) -> None:
    host.files = {"/a.csv": CONTENT}
    found = _dataset(Download(f"{host.url}/a.csv"))
    with pytest.raises(ChecksumError, match="not the sha256 that --sha256 gives"):
        _fetch(found, tmp_path, sha256=[_sha256(b"other")])
    _fetch(found, tmp_path, sha256=[_sha256(CONTENT).upper()])
    assert _left(tmp_path) == ["toy/a.csv"]


def test_a_missing_file_and_a_missing_checksum_are_told(host: Host, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"/gone\.csv answers 404 Not Found"):
        _fetch(_dataset(Download(f"{host.url}/gone.csv")), tmp_path)
    host.files = {"/a.csv": CONTENT, "/a.md5": b"soon"}
    for url, message in (("/b.md5", "cannot be read"), ("/a.md5", "holds no md5 or sha256")):
        with pytest.raises(DownloadError, match=message):
            _fetch(_dataset(Download(f"{host.url}/a.csv", checksum_url=f"{host.url}{url}")), tmp_path)
        assert not (tmp_path / "toy").exists()


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "in/../../evil", "C:/evil"])
def test_an_archive_that_leads_out_of_its_folder_is_refused_whole(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("good", "g")
        archive.writestr(name, "e")
    with pytest.raises(ValueError, match=r"x\.zip is not unpacked"):
        unpack(tmp_path / "x.zip", tmp_path / "out")
    assert _left(tmp_path) == ["x.zip"]


def test_a_tar_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tar.gz").write_bytes(_tar("../evil", b"e"))
    with pytest.raises(ValueError, match=r"x\.tar\.gz is not unpacked, because it writes outside its folder"):
        unpack(tmp_path / "x.tar.gz", tmp_path / "out")
    assert _left(tmp_path) == ["x.tar.gz"]


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
def test_a_damaged_archive_is_told(tmp_path: Path, name: str) -> None:
    whole = _zip(a="a" * 9_999) if name == "x.zip" else _tar("a", CONTENT)
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=rf"{name} is damaged"):
        unpack(tmp_path / name, tmp_path / "out")


@pytest.mark.parametrize("name", [name.replace("CATEGORY", "All_Beauty") for name in names()])
def test_every_dataset_comes_with_a_profile_that_loads(tmp_path: Path, name: str) -> None:
    found = dataset(name)
    path = tmp_path / f"{found.name.lower().replace('_', '-')}.yaml"
    path.write_text(profile_yaml(found, tmp_path))
    profile = load_profile(str(path))
    assert source_settings(profile.source).kind == profile.source["kind"]
    assert profile.last_day is not None
    assert all(part.url.startswith("https://") and "{" not in part.url for part in found.downloads)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ml-7m", "there is no dataset 'ml-7m': choose one of ml-100k"),
        ("amazon-2023", "write amazon-2023/CATEGORY"),
        ("amazon-2023/../x", "write amazon-2023/CATEGORY"),
        ("ml-1m/Books", "'ml-1m/Books' names no dataset: write ml-1m"),
    ],
)
def test_a_name_that_is_none_says_what_to_write(name: str, message: str) -> None:
    with pytest.raises(LookupError, match=message):
        dataset(name)


def test_the_command_ends_in_a_sentence_and_fetches(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.files = {"/a.csv": CONTENT}
    monkeypatch.setitem(CATALOGUE, "toy", _dataset(Download(f"{host.url}/a.csv", checksum=_md5(CONTENT))))
    done = CliRunner().invoke(cli.app, ["fetch", "toy", "--to", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "toy/a.csv").read_bytes() == CONTENT
    assert yaml.safe_load("source: " + done.output.partition("source: ")[2])["source"]["kind"] == "movielens"
    assert CliRunner().invoke(cli.app, ["fetch", "nothing"]).exit_code == 1
