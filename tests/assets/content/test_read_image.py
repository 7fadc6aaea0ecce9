"""Images in object stores, against a store on this machine that stands in for S3."""

import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

import pytest
from pydantic import ValidationError

from assets.content.image_rejected import ImageRejected
from assets.content.read_image import read
from assets.content.settings import ImageSettings

BODY = b"an image"


@dataclass
class Bucket:
    """A store on a free port, the settings that list it, and the paths that it was asked for."""

    settings: ImageSettings
    asked: list[str]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(unquote(self.path))
            found = "missing" not in self.path
            self.send_response((206 if "Range" in self.headers else 200) if found else 404)
            self.send_header("Content-Length", str(len(BODY) if found else 0))
            self.send_header("ETag", '"1"')
            self.send_header("Last-Modified", "Wed, 01 Jan 2025 00:00:00 GMT")
            self.send_header("Content-Range", f"bytes 0-{len(BODY) - 1}/{len(BODY)}")
            self.end_headers()
            if self.command == "GET" and found:
                self.wfile.write(BODY)

        do_HEAD = do_GET

        def log_message(self, *_args: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    options = f"endpoint_override=127.0.0.1:{server.server_port}&scheme=http&region=us-east-1"
    stores = (f"s3://bucket/photos?{options}", f"s3://bucket/photos/deep/?{options}")
    yield Bucket(ImageSettings(stores=stores, timeout_s=10), paths)
    server.shutdown()
    server.server_close()


def reason(source: str, settings: ImageSettings) -> str:
    with pytest.raises(ImageRejected) as rejected:
        read(source, settings)
    return str(rejected.value)


def test_an_object_of_a_listed_store_is_read(bucket: Bucket) -> None:
    for key in ("a.png", "deep/b c.png", "x?endpoint_override=localhost:1&scheme=http#y.png", "%2e%2e%2fz"):
        bucket.asked.clear()
        assert read(f"s3://bucket/photos/{key}", bucket.settings) == BODY
        assert set(bucket.asked) == {f"/bucket/photos/{key}"}


@pytest.mark.parametrize(
    "source",
    [
        "s3://bucket/a.png",
        "s3://bucket/photos-private/a.png",
        "s3://other/photos/a.png?endpoint_override=localhost:1",
        "s3://b/k?endpoint_override=127.0.0.1:9&scheme=http",
        "gs://bucket/photos/a.png",
        "hdfs://bucket/photos/a.png",
        "mock:///etc/passwd",
        "ftp://bucket/photos/a.png",
    ],
)
def test_no_other_store_is_asked(bucket: Bucket, source: str) -> None:
    assert (
        reason(source, bucket.settings)
        == reason(source, ImageSettings())
        == ("in no object store that content.image.stores lists")
    )
    assert bucket.asked == []


@pytest.mark.parametrize("key", ["../secret", "deep/../../secret", "a//b", "./a", ""])
def test_a_key_does_not_climb(bucket: Bucket, key: str) -> None:
    assert reason(f"s3://bucket/photos/{key}", bucket.settings) == "no key of an object"
    assert bucket.asked == []


def test_a_missing_object_is_a_reason(bucket: Bucket) -> None:
    assert reason("s3://bucket/photos/missing.png", bucket.settings) == "object not found"


@pytest.mark.parametrize("store", ["bucket", "s3://", "s3://b#x", "https://b/c", "file:///etc", "s3:///a"])
def test_a_store_is_the_uri_of_a_bucket(store: str) -> None:
    with pytest.raises(ValidationError, match=rf"'{store}' .*: write a URI such as s3://"):
        ImageSettings(stores=(store,))
