"""Files of one read whose columns differ are judged one by one."""

from datetime import date
from pathlib import Path

import pytest

from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from assets.sources.source import SourceError
from tests.assets.sources.judging import judged
from tests.cases.folder import cases

DAY = date(2026, 1, 1)


def source(path: Path, **events: object) -> Files:
    tables = {"events": {"path": str(path), **events}, "items": {"path": str(path)}}
    return Files(FilesSettings.model_validate({"kind": "files", **tables}), DAY)


@pytest.mark.parametrize(
    ("name", "users", "rejected"),
    [
        ("int64_float", ["1", "1152921504606846977", "1152921504606846978", "7", "8"], {"null_key": 1}),
        ("tz_naive", ["a", "b", "c", "d"], {}),
        ("struct_text", ["c", "d"], {"wrong_type": 2}),
        ("datetime_int", ["a", "b", "c", "d"], {}),
    ],
)
def test_each_file_gives_what_it_alone_would_give(name: str, users: list[str], rejected: dict, tmp_path: Path) -> None:
    events, reasons = judged(source(cases("mixed_types") / name), [DAY], ["click"], "string", tmp_path)
    assert sorted(events["user_id"]) == users
    assert reasons == rejected


@pytest.mark.parametrize("name", ["events", "mapped_nan", "unmapped_nan"])
def test_every_line_of_json_is_accepted(name: str, tmp_path: Path) -> None:
    path = cases("json_lines") / f"{name}.jsonl"
    events, reasons = judged(source(path), [DAY], ["click"], "string", tmp_path)
    assert not reasons
    assert events.height == len(path.read_text().splitlines())


def test_half_hour_zones_are_read(tmp_path: Path) -> None:
    events, reasons = judged(
        source(cases("parquet_types") / "tz_plus_0530.parquet"), [DAY], ["click"], "string", tmp_path
    )
    assert (events.height, reasons) == (2, {})


def test_a_mapped_column_that_is_not_there_is_named() -> None:
    files = source(cases("csv") / "events.csv", columns={"surface": "pgae"})
    with pytest.raises(SourceError, match=r"no column 'pgae' for surface \(it has user_id, item_id, .*page\)"):
        files.land("events", [DAY])
