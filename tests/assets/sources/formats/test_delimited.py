"""A CSV as others write it: its header is a record, its lines end in any way, its empty fields are empty."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.sources.formats.delimited import WHITESPACE, Dialect, delimited_columns, scan_delimited
from assets.sources.source import SourceError

NAME = st.text(st.sampled_from('ab,;"\n é[]|'), min_size=1, max_size=6).map(str.strip).filter(bool)


@given(
    names=st.lists(NAME, min_size=1, max_size=4, unique=True),
    ends=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    block=st.integers(1, 40),
)
@settings(max_examples=80)
def test_the_header_is_a_record_like_any_other(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], ends: str, quoting: int, block: int
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=quoting, lineterminator=ends)  # type: ignore[arg-type]
    cells = [f"{number}." for number in range(len(names))]
    writer.writerows([names, cells])
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    path.write_bytes(out.getvalue().encode())
    assert delimited_columns(path, Dialect()) == names
    rows = scan_delimited(path, Dialect(), block).collect()
    assert rows.select(names).rows() == [tuple(cells)]
    assert rows["malformed"].to_list() == [None]


@pytest.mark.parametrize("last", ["", "\r"])
def test_lines_may_end_with_carriage_returns_alone(tmp_path: Path, last: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(f'sku,"name, long"\r1,"a, b"\r2,c{last}'.encode())
    assert scan_delimited(path, Dialect()).collect().select("sku", "name, long").rows() == [("1", "a, b"), ("2", "c")]


def test_a_field_is_empty_whether_it_is_quoted_or_not(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('a,b\n1,""\n"",2\n3,\n\\N,NULL\n')
    rows = scan_delimited(path, Dialect(nulls=("\\N", "NULL"))).collect()
    assert rows.select("a", "b").rows() == [("1", None), (None, "2"), ("3", None), (None, None)]


def test_columns_without_a_name_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(",a,,\n0,1,,\n")
    assert delimited_columns(path, Dialect()) == ["(column 1)", "a", "(column 3)", "(column 4)"]
    assert scan_delimited(path, Dialect()).collect()["a"].to_list() == ["1"]


def test_another_encoding_that_the_first_bytes_tell_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-16")
    with pytest.raises(SourceError, match=r"x\.csv is in UTF-16, .*set `encoding` to utf-16"):
        delimited_columns(path, Dialect())


def test_a_header_whose_quotes_nothing_closes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('a,"b\n1,2\n')
    with pytest.raises(SourceError, match=r"x\.csv has a header that cannot be read"):
        delimited_columns(path, Dialect())


FIELD = st.text(st.sampled_from('ab1:;",é.'), min_size=1, max_size=4).filter(lambda text: "::" not in text)


@given(
    rows=st.lists(st.lists(FIELD, min_size=1, max_size=4), min_size=1, max_size=12),
    between=st.sampled_from([("::", "::"), (" ", WHITESPACE), (" \t  ", WHITESPACE), ("\t", "\t")]),
    around=st.sampled_from(["", " ", "\t "]),
    block=st.integers(1, 40),
)
@settings(max_examples=120)
def test_delimiters_of_several_characters_cost_no_row(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    between: tuple[str, str],
    around: str,
    block: int,
) -> None:
    """Rows of three fields come out as they are, all others whole, each at its place."""
    separator, delimiter = between
    around = around if delimiter == WHITESPACE else ""
    # A colon at the edge of a field would belong to the delimiter.
    rows = [[field.strip(":") or "x" for field in row] for row in rows]
    lines = [f"{around}{separator.join(row)}{around}" for row in rows]
    path = tmp_path_factory.mktemp("dat") / "x.dat"
    path.write_text("\n".join(lines) + "\n")
    dialect = Dialect(delimiter, names=("a", "b", "c"), quoted=False)
    found = scan_delimited(path, dialect, block).collect()
    assert found.select("a", "b", "c").rows() == [tuple(row) if len(row) == 3 else (None,) * 3 for row in rows]
    assert found["malformed"].to_list() == [
        None if len(row) == 3 else line for row, line in zip(rows, lines, strict=True)
    ]


def test_names_separated_by_several_characters(tmp_path: Path) -> None:
    path = tmp_path / "x.dat"
    path.write_text("user::item\n1::2\n")
    assert delimited_columns(path, Dialect("::", quoted=False)) == ["user", "item"]
    path.write_text("  user \t item\n1   2 \n")
    assert scan_delimited(path, Dialect(WHITESPACE, quoted=False)).collect().select("user", "item").rows() == [
        ("1", "2")
    ]
