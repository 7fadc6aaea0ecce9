"""`genrec init`: files in many formats hold the very events that were written."""

import gzip
import json
from pathlib import Path

import polars as pl
import pytest
import yaml
from pydantic import ValidationError

from assets.sources.files_settings import EventFilesSettings
from tests.orchestration.init.worlds import ROWS, events, init, lines, refused, told, world


@pytest.mark.parametrize(("separator", "said"), [("::", "::"), (" ", "whitespace"), ("   ", "whitespace")])
@pytest.mark.parametrize("header", [["user", "item", "time"], []])
def test_delimiters_of_several_characters(tmp_path: Path, separator: str, said: str, header: list[str]) -> None:
    log = [(user, item, moment, "interaction") for user, item, moment, _ in world()]
    rows = [(user, item, int(moment.timestamp())) for user, item, moment, _ in log]
    (tmp_path / "log.dat").write_text(lines(header, rows, separator).lstrip("\n"))
    profile, text = init(tmp_path, "log.dat")
    assert told(events(profile, tmp_path)) == log
    assert profile.source["events"]["delimiter"] == said
    assert "quoted" not in text


@pytest.mark.parametrize(
    ("delimiter", "quoted", "why"),
    [("tab", None, "no delimiter"), ("\\t", None, "a tab as"), ("::", True, "leave `quoted` out")],
)
def test_what_is_no_delimiter_is_said(delimiter: str, quoted: bool | None, why: str) -> None:
    settings = {"path": "x", "delimiter": delimiter} | ({} if quoted is None else {"quoted": quoted})
    with pytest.raises(ValidationError, match=why):
        EventFilesSettings.model_validate(settings)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_decimal_commas_words_for_nothing_and_line_ends(tmp_path: Path, delimiter: str) -> None:
    log = [(user, item, moment, "interaction") for user, item, moment, _ in world()]
    rows = [
        (n, "NA", user, item, f"{moment.timestamp():.1f}".replace(".", ","), "3,5")
        for n, (user, item, moment, _) in enumerate(log)
    ]
    text = lines(["row", "user_id", "session_id", "article", "ts", "price"], rows, delimiter).replace("\n", "\r\n")
    (tmp_path / "shop.txt").write_bytes(gzip.compress(text.encode()))
    profile, _ = init(tmp_path, "shop.txt")
    assert told(events(profile, tmp_path)) == log
    assert profile.source["events"]["columns"]["user_id"] == "session_id", "that of the user is empty"
    assert profile.source["events"]["columns"]["value"] == "price"


def test_json_lines_by_any_ending(tmp_path: Path) -> None:
    log = [(user, item, moment, "rating") for user, item, moment, _ in world()]
    rows = [
        {
            "reviewer": {"id": int(user), "name": "x"},
            "asin": item,
            "overall": 4.0,
            "unixReviewTime": int(moment.timestamp()),
        }
        | ({"vote": n} if n % 3 else {})
        for n, (user, item, moment, _) in enumerate(log)
    ]
    (tmp_path / "reviews.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    profile, _ = init(tmp_path, "reviews.json")
    assert told(events(profile, tmp_path)) == log
    assert profile.source["events"]["columns"]["user_id"] == "reviewer.id"


def test_parquet_with_times_and_numbers(tmp_path: Path) -> None:
    log = [(user, item.removeprefix("A-"), moment, action) for user, item, moment, action in world()]
    frame = pl.DataFrame(log, schema=["uid", "movieId", "when", "behavior_type"], orient="row")
    frame.with_columns(pl.col("uid", "movieId").cast(pl.Int64)).write_parquet(tmp_path / "film.dat")
    profile, _ = init(tmp_path, "film.dat")
    assert profile.id_type == "int64"
    assert told(events(profile, tmp_path)) == log


def test_names_of_files_and_columns_survive_as_text(tmp_path: Path) -> None:
    folder = tmp_path / "$HOME: [x] #1"
    folder.mkdir()
    rows = [(user, item, int(moment.timestamp())) for user, item, moment, _ in world()]
    (folder / "events.csv").write_text(lines(["user: $id", "item #", "time"], rows))
    profile, text = init(folder, "events.csv")
    assert yaml.safe_load(text)["source"]["events"]["columns"]["user_id"] == "user: $$id"
    assert events(profile, tmp_path).height == ROWS


def test_a_header_is_known_by_the_numbers_below_it(tmp_path: Path) -> None:
    rows = [(user, item, int(moment.timestamp()), "") for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["", "item", "time", ""], rows))
    profile, _ = init(tmp_path, "log.csv")
    assert profile.source["events"]["columns"] == {"user_id": "(column 1)", "item_id": "item", "timestamp": "time"}
    assert events(profile, tmp_path).height == len(rows)
    (tmp_path / "twice.csv").write_text(lines(["user", "item", "time", "time"], rows))
    told = refused(str(tmp_path / "twice.csv"), "--profile", f"{tmp_path}/x.yaml")
    assert "has the column 'time' twice in its header: rename one of them" in told
