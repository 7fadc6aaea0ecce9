"""One file from an HTTP server: what a broken connection left is resumed, never restarted or taken for complete."""

from collections.abc import Callable
from pathlib import Path

import httpx

ATTEMPTS = 5
"""How often the connection may break before a person is asked."""

TIMEOUT = httpx.Timeout(60)


class DownloadError(OSError):
    """A file could not be fetched; the message names it, says how far it came and what to do."""


def download(
    client: httpx.Client, url: str, path: Path, advanced: Callable[[int, int | None], None] | None = None
) -> None:
    """Fetches `url` to `path`, going on from what already stands there of the same version of the file.

    Args:
        client: Follows redirects.
        url: The file.
        path: Where its bytes go; `<path>.version` beside it remembers their version while they are incomplete.
        advanced: Told, as bytes come in, how many are there and how many there will be, if that is known.

    Raises:
        DownloadError: the server refuses, cannot be reached, or the connection breaks ATTEMPTS times without a byte.
    """
    left = ATTEMPTS
    while True:
        before = _size(path)
        try:
            _go_on(client, url, path, advanced or (lambda done, total: None))
        except httpx.TransportError as error:
            left = ATTEMPTS if _size(path) > before else left - 1
            if not left:
                raise DownloadError(
                    f"{url} stopped after {_size(path)} bytes ({error or type(error).__name__}): "
                    "run the command again, and it goes on from there"
                ) from error
        else:
            _version(path).unlink(missing_ok=True)
            return


def _go_on(client: httpx.Client, url: str, path: Path, advanced: Callable[[int, int | None], None]) -> None:
    """One request for what is missing; returns when the file is whole."""
    with client.stream("GET", url, headers=_headers(path), timeout=TIMEOUT) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            # Nothing is missing: the file was whole before its version could be forgotten.
            return
        if response.is_error:
            raise DownloadError(f"{url} answers {response.status_code} {response.reason_phrase}: look for it there")
        partial = response.status_code == httpx.codes.PARTIAL_CONTENT
        start = _size(path) if partial else 0
        length = response.headers.get("content-length")
        total = start + int(length) if length else None
        _version(path).write_text(_version_of(response))
        with path.open("r+b" if path.exists() else "wb") as file:
            file.seek(start)
            file.truncate()
            for block in response.iter_raw():
                file.write(block)
                advanced(file.tell(), total)


def _headers(path: Path) -> dict[str, str]:
    """Asks for the rest where the version of the beginning is known, and for all of it else."""
    version = _version(path).read_text() if _version(path).exists() else ""
    rest = {"Range": f"bytes={_size(path)}-", "If-Range": version} if version and _size(path) else {}
    return {"Accept-Encoding": "identity"} | rest


def _version_of(response: httpx.Response) -> str:
    """What the server tells versions of the file apart by; a weak tag does not say that the bytes are equal."""
    etag = str(response.headers.get("etag", ""))
    return etag if etag and not etag.startswith("W/") else str(response.headers.get("last-modified", ""))


def _version(path: Path) -> Path:
    return path.with_name(f"{path.name}.version")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
