"""Data Docs over HTTP: the pages and nothing else, from a real server."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orchestration import data_docs
from serving.ports import free_port


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "data_docs"
    (folder / "events").mkdir(parents=True)
    (folder / "index.html").write_text("all assets")
    (folder / "events" / "index.html").write_text("all days")
    (folder / "events" / "2026-01-01.html").write_text("one day")
    (folder / "events" / "2026-01-02.part").write_text("half a page")
    (tmp_path / "secret.html").write_text("not for readers")
    (folder / "events" / "link.html").symlink_to(tmp_path / "secret.html")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with data_docs.served(folder, port, url):
        yield url


def get(url: str, **more: object) -> httpx.Response:
    return httpx.get(url, trust_env=False, follow_redirects=True, **more)  # type: ignore[arg-type]


def test_pages_and_their_lists_are_served(url: str) -> None:
    assert get(url).text == "all assets"
    assert get(f"{url}/events/").text == "all days"
    page = get(f"{url}/events/2026-01-01.html")
    assert (page.status_code, page.text) == (200, "one day")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["events/2026-01-02.part", "..%2fsecret.html", "events/..%2f..%2fsecret.html", "events/link.html", "none"]
)
def test_nothing_else_is(url: str, path: str) -> None:
    answer = get(f"{url}/{path}")
    assert answer.status_code == 404
    assert "not for readers" not in answer.text


def test_they_are_only_read_and_only_under_their_own_name(url: str) -> None:
    page = f"{url}/events/2026-01-01.html"
    for method in ("POST", "PUT", "DELETE"):
        assert httpx.request(method, page, trust_env=False).status_code == 405
    assert get(page, headers={"host": "somewhere.example"}).status_code == 400
