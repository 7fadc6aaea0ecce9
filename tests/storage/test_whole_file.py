"""Small files are replaced whole, with the mode that was asked for, and leave no draft behind."""

import os
import stat
from pathlib import Path

import pytest

from storage.whole_file import SECRET, write_whole


def test_a_secret_is_its_users_alone_and_another_file_goes_by_the_mask(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        write_whole(tmp_path / "token", "ü", SECRET)
        write_whole(tmp_path / "first_day", "2026-01-01")
    finally:
        os.umask(mask)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"token": 0o600, "first_day": 0o644}
    assert (tmp_path / "token").read_bytes() == "ü".encode()


def test_a_text_that_cannot_be_written_leaves_the_file_as_it_was_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "owner.json"
    write_whole(path, "before")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half" + "\ud800")
    assert [each.name for each in tmp_path.iterdir()] == ["owner.json"]
    assert path.read_text() == "before"
