"""Names of folders and URIs."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.places import PLAIN, absolute, is_uri, nickname, plain, private_folder


@pytest.mark.parametrize(
    ("place", "uri"),
    [
        ("s3://bucket/lake", True),
        ("file:///tmp/x", True),
        ("/data/s3://bucket", False),
        ("a b://c", False),
        ("://x", False),
        ("lake", False),
    ],
)
def test_a_uri_begins_with_its_scheme(place: str, uri: bool) -> None:
    assert is_uri(place) == uri


@given(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=60))
def test_nicknames_are_plain_and_tell_folders_apart(name: str) -> None:
    first, second = nickname(Path("/a", name)), nickname(Path("/b", name))
    assert first != second
    assert PLAIN.fullmatch(first)
    assert len(first) < 80
    assert not first.startswith(("-", "."))


def test_a_link_leads_to_the_folder_and_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert plain(tmp_path) == tmp_path
    odd = tmp_path / "a b [c]"
    odd.mkdir()
    link = plain(odd)
    assert PLAIN.fullmatch(str(link))
    (link / "file").write_text("x")
    assert (odd / "file").read_text() == "x"
    assert plain(odd) == link
    assert list(private_folder("links").iterdir()) == [link]


def test_what_is_private_is_closed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    mine = private_folder("x").parent
    mine.chmod(0o777)
    assert stat.S_IMODE(private_folder("x").parent.stat().st_mode) == 0o700
    assert mine.name == f"genrec-{os.getuid()}"


def test_an_odd_folder_for_temporary_files_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "t t"
    odd.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(odd))
    assert PLAIN.fullmatch(str(private_folder("x")))


def test_a_name_that_is_no_text_is_refused_in_a_sentence(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    with pytest.raises(ValueError, match=r"^GENREC_HOME is b'.*caf\\xe9', where the byte 0xe9 is no UTF-8: rename"):
        absolute(name, "GENREC_HOME")
