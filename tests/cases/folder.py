"""The shared folder of small inputs that once failed; tests that use it skip where it is not there."""

from datetime import date
from pathlib import Path

import pytest

from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from assets.sources.source import RawTable

CASES = Path(__file__).parents[3] / "shared" / "cases"


def cases(name: str) -> Path:
    """The folder `name` of the shared cases."""
    folder = CASES / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


def source(path: Path, day: date, table: RawTable = "events", **settings: object) -> Files:
    """Files whose `table` is the file or folder at `path`, read with `settings`."""
    other = "items" if table == "events" else "events"
    tables = {table: {"path": str(path), **settings}, other: {"path": str(path)}}
    return Files(FilesSettings.model_validate({"kind": "files", **tables}), day)
