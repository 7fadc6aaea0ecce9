"""Files of one read whose columns differ are judged one by one."""

from datetime import date
from pathlib import Path

import pytest

from tests.assets.sources.validating import judged
from tests.cases.folder import cases, source

DAY = date(2026, 1, 1)


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
    events, reasons = judged(source(cases("mixed_types") / name, DAY), [DAY], ["click"], "string", tmp_path)
    assert sorted(events["user_id"]) == users
    assert reasons == rejected
