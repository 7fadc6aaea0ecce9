"""`genrec init`: of made-up files in many shapes the profile that it writes reads the very events that were written."""

import gzip
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from pydantic import ValidationError
from typer.testing import CliRunner

from assets.data_report.evidence import Evidence
from assets.data_report.survey import survey
from assets.sources.files_settings import EventFilesSettings
from assets.sources.settings import open_source
from assets.sources.source import SourceError
from assets.validation.settings import QualitySettings
from orchestration.cli import app
from orchestration.profile import Profile, load_profile
from orchestration.profile_report import evidence_of

USERS, ITEMS, ROWS = 40, 30, 400
START = datetime(2024, 3, 2, tzinfo=UTC)

Event = tuple[str, str, datetime, str]


def world(step: timedelta = timedelta(seconds=7_919)) -> list[Event]:
    """Events in the order of their times, each at a time of its own, all of whole seconds."""
    random = np.random.default_rng(7)
    actions = random.choice(["view", "purchase"], ROWS, p=[0.8, 0.2])
    users, items = random.integers(0, USERS, ROWS), random.integers(0, ITEMS, ROWS)
    return [
        (f"{user}", f"A-{item}", START + n * step, str(action))
        for n, (user, item, action) in enumerate(zip(users, items, actions, strict=True))
    ]


def init(folder: Path, log: str, *more: str) -> tuple[Profile, str]:
    """The profile that is written, and what is said."""
    out = folder / "made.yaml"
    done = CliRunner().invoke(
        app, ["init", str(folder / log), *(str(folder / one) for one in more), "--profile", str(out)]
    )
    assert done.exit_code == 0, done.output
    return load_profile(str(out)), out.read_text()


def said(folder: Path, log: str, *more: str) -> list[str]:
    """What `init` says at the end is to be looked at."""
    files = [str(folder / one) for one in (log, *more)]
    done = CliRunner().invoke(app, ["init", *files, "--profile", str(folder / "said.yaml")])
    assert done.exit_code == 0, done.output
    return [line for line in done.output.splitlines() if line.startswith("look at ")]


def refused(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["init", *arguments])
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    return done.stderr


def events(profile: Profile, folder: Path) -> pl.DataFrame:
    """The good events that the profile reads."""
    assert profile.first_day != "auto"
    assert profile.last_day
    source = open_source(profile.source, "", profile.first_day)
    days = [profile.first_day + timedelta(days=n) for n in range((profile.last_day - profile.first_day).days)]
    found = survey(source, QualitySettings.model_validate(profile.quality), profile.id_type, days, folder)
    assert found.put_aside.reasons.is_empty()
    return found.events


def profile_report(profile: Profile) -> Evidence:
    with evidence_of(profile) as evidence:
        return evidence


def told(frame: pl.DataFrame) -> list[Event]:
    rows = frame.sort("timestamp").select(pl.col("user_id", "item_id").cast(pl.String), "timestamp", "action").rows()
    return [(user, item, moment, action) for user, item, moment, action in rows]


def lines(header: Sequence[str], rows: Sequence[Sequence[Any]], delimiter: str = ",") -> str:
    return "\n".join(delimiter.join(map(str, row)) for row in [header, *rows]) + "\n"


TEXTS: dict[str, Callable[[datetime], str]] = {
    "seconds": lambda moment: str(int(moment.timestamp())),
    "fractions of seconds": lambda moment: f"{moment.timestamp():.3f}",
    "milliseconds": lambda moment: str(int(moment.timestamp() * 1000)),
    "ISO": lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "UTC behind it": lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S UTC"),
    "German": lambda moment: moment.strftime("%d.%m.%Y %H:%M:%S"),
    "American": lambda moment: moment.strftime("%m/%d/%Y %I:%M:%S %p"),
    "mail": format_datetime,
    "web server": lambda moment: moment.strftime("%d/%b/%Y:%H:%M:%S %z"),
}


@pytest.mark.parametrize("form", TEXTS)
def test_times_in_any_form(tmp_path: Path, form: str) -> None:
    log = world()
    rows = [(user, item, action, f'"{TEXTS[form](moment)}"') for user, item, moment, action in log]
    (tmp_path / "shop.csv").write_text(lines(["customer", "sku", "event", "created"], rows))
    profile, _ = init(tmp_path, "shop.csv")
    assert told(events(profile, tmp_path)) == log
    assert profile.training["positive_actions"] == ["view", "purchase"]
    assert (profile.first_day, profile.last_day) == (START.date(), log[-1][2].date() + timedelta(days=1))


@pytest.mark.parametrize(
    ("form", "truncated"),
    [
        ("%d-%m-%Y", lambda moment: moment.replace(hour=0, minute=0, second=0)),
        ("%Y-%m", lambda moment: moment.replace(day=1, hour=0, minute=0, second=0)),
    ],
)
def test_days_and_months(tmp_path: Path, form: str, truncated: Callable[[datetime], datetime]) -> None:
    log = [(f"u{n}", item, moment, action) for n, (_, item, moment, action) in enumerate(world(timedelta(days=1)))]
    log += [(user, "A-99", moment, action) for user, _, moment, action in log]
    rows = [(user, item, moment.strftime(form)) for user, item, moment, _ in log]
    (tmp_path / "shop.csv").write_text(lines(["Member_number", "itemDescription", "Date"], rows))
    profile, text = init(tmp_path, "shop.csv")
    found = events(profile, tmp_path)
    expected = {(user, item, truncated(moment), "interaction") for user, item, moment, _ in log}
    assert set(told(found)) == expected
    assert "times are days" in text


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


PARTS: dict[str, tuple[list[str], Callable[[datetime], list[object]], list[str]]] = {
    "numbers": (
        ["day", "month", "year"],
        lambda moment: [moment.day, moment.month, moment.year],
        ["year", "month", "day"],
    ),
    "clock": (
        ["Date", "Time"],
        lambda moment: [f"{moment:%d.%m.%Y}", f"{moment:%H:%M:%S}"],
        ["Date", "Time"],
    ),
}


@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize("objects", [True, False])
def test_a_time_in_several_columns(tmp_path: Path, kind: str, objects: bool) -> None:
    names, of, joined = PARTS[kind]
    step = timedelta(days=1) if kind == "numbers" else timedelta(hours=1, seconds=1)
    log = [(user, item, moment, "interaction") for user, item, moment, _ in world(step)]
    rows = [(user, item, *of(moment)) for user, item, moment, _ in log]
    header = ["user", "item", *names]
    written = "".join(json.dumps(dict(zip(header, row, strict=True))) + "\n" for row in rows)
    (tmp_path / "log.txt").write_text(written if objects else lines(header, rows))
    profile, _ = init(tmp_path, "log.txt")
    assert profile.source["events"]["timestamp_columns"] == joined
    assert profile.source["events"]["timestamp_format"] == ("%Y %m %d" if kind == "numbers" else "%d.%m.%Y %H:%M:%S")
    assert told(events(profile, tmp_path)) == log


def test_a_part_of_a_time_that_is_missing(tmp_path: Path) -> None:
    rows = [(user, item, moment.day, "" if n % 2 else 3, 2024) for n, (user, item, moment, _) in enumerate(world())]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "day", "month", "year"], rows))
    profile, _ = init(tmp_path, "log.csv")
    found = profile_report(profile)
    assert dict(found.put_aside.reasons.rows())["no_time"] == ROWS // 2
    section = profile.source["events"] | {"timestamp_columns": ["year", "months", "day"]}
    broken = profile.model_copy(update={"source": profile.source | {"events": section}})
    with pytest.raises(
        SourceError, match=r"no column 'months' for timestamp_columns.1 .*source.events.timestamp_columns"
    ):
        profile_report(broken)
    with pytest.raises(ValidationError, match="leave one of them out"):
        EventFilesSettings.model_validate(section | {"columns": {"timestamp": "day"}})


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


def test_without_a_header_contents_tell(tmp_path: Path) -> None:
    log = world()
    rows = [
        (user, TEXTS["ISO"](moment), 40.5 + n / 7, item, action) for n, (user, item, moment, action) in enumerate(log)
    ]
    (tmp_path / "checkins.csv").write_text(lines([], rows, "\t").lstrip("\n"))
    profile, text = init(tmp_path, "checkins.csv")
    assert told(events(profile, tmp_path)) == log
    assert "not sure" in text


def reviews(news: bool) -> list[tuple[str, str, int]]:
    """User, item and time: of a shop whose users come once or twice and buy two things; of news, which live for a day
    and of which a few have most of the readers, who stay."""
    random = np.random.default_rng(3)
    rows = []
    for n in range(4_000):
        if news:
            second = int(random.integers(0, 60 * 86_400))
            rows.append((f"u{random.integers(150)}", f"i{second // 86_400}-{int(random.pareto(0.8))}", second))
        else:
            second, user = int(random.integers(0, 900)) * 86_400, f"u{n}"
            rows += [(user, f"i{int(60 * random.random() ** 3)}", second) for _ in range(2)]
    return [(user, item, 1_500_000_000 // 86_400 * 86_400 + second) for user, item, second in dict.fromkeys(rows)]


@pytest.mark.parametrize(("news", "first"), [(False, "item"), (False, "user"), (True, "user")])
def test_rows_tell_users_from_items_where_no_name_does(tmp_path: Path, news: bool, first: str) -> None:
    rows = reviews(news)
    mixed = [rows[n] for n in np.random.default_rng(1).permutation(len(rows))]
    written = [(user, item, time) if first == "user" else (item, user, time) for user, item, time in mixed]
    (tmp_path / "reviews.csv").write_text(lines([], written).lstrip("\n"))
    profile, _ = init(tmp_path, "reviews.csv")
    columns = profile.source["events"]["columns"]
    assert (columns["user_id"] == "column_1") is (first == "user")
    (line,) = [line for line in said(tmp_path, "reviews.csv") if "look at source.events.columns: no name" in line]
    assert f"'{columns['user_id']}' such as 'u" in line


def test_the_catalogue_tells_the_item(tmp_path: Path) -> None:
    rows = [(item, f"u{user}", int(moment.timestamp())) for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines([], rows).lstrip("\n"))
    (tmp_path / "items.csv").write_text(lines(["key", "title"], [(f"A-{n}", f"the title {n}") for n in range(ITEMS)]))
    profile, text = init(tmp_path, "log.csv", "items.csv")
    assert profile.source["events"]["columns"]["item_id"] == "column_1"
    assert "by what the catalogue has: not sure" in text


def test_an_order_of_items_first(tmp_path: Path) -> None:
    log = sorted(world(), key=lambda event: int(event[0]))
    (tmp_path / "order.txt").write_text("".join(f"{item} {user}\n" for user, item, *_ in log))
    profile, _ = init(tmp_path, "order.txt")
    assert profile.source["events"]["columns"] == {"user_id": "column_2", "item_id": "column_1"}


def test_rows_in_no_order_are_said_to_be(tmp_path: Path) -> None:
    log = sorted({(int(user), int(item[2:])) for user, item, *_ in world()})
    (tmp_path / "a.csv").write_text(lines(["user", "item"], log))
    assert any("sorted by item" in line for line in said(tmp_path, "a.csv"))
    mixed = [log[n] for n in np.random.default_rng(0).permutation(len(log))]
    (tmp_path / "b.csv").write_text(lines(["user", "item"], mixed))
    found = said(tmp_path, "b.csv")
    assert not any("sorted by item" in line for line in found)
    assert any(line.startswith("look at source.events.ordinal: there is no time") for line in found)


def test_marks_of_a_file_without_names(tmp_path: Path) -> None:
    rows = [(user, item, n % 5 + 1, int(moment.timestamp())) for n, (user, item, moment, _) in enumerate(world())]
    (tmp_path / "log.dat").write_text(lines([], rows, "::").lstrip("\n"))
    profile, _ = init(tmp_path, "log.dat")
    assert profile.source["events"]["columns"]["value"] == "column_3"
    found = said(tmp_path, "log.dat")
    assert any("'column_3' such as '1' for a rating or the like" in line for line in found)
    assert any("160 events count though 'column_3' is in the lower half of its scale" in line for line in found)


def test_what_came_back_is_said_to_count(tmp_path: Path) -> None:
    rows = [
        (user, item, -2 if n % 4 == 0 else 30, int(moment.timestamp()))
        for n, (user, item, moment, _) in enumerate(world())
    ]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "quantity", "time"], rows))
    (line,) = [line for line in said(tmp_path, "log.csv") if "training.positive_actions" in line]
    assert "100 events count though 'quantity' is below 0" in line


def test_a_flag_says_what_counts(tmp_path: Path) -> None:
    rows = [
        (user, item, int(moment.timestamp()), int(n % 3 == 0), int(n % 7 == 0), int(n % 2 == 0))
        for n, (user, item, moment, _) in enumerate(world())
    ]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time", "is_click", "is_like", "is_hate"], rows))
    profile, _ = init(tmp_path, "log.csv")
    assert profile.source["events"]["columns"]["action"] == "is_click"
    assert (profile.quality["actions"], profile.training["positive_actions"]) == (["0", "1"], ["1"])
    assert events(profile, tmp_path)["action"].value_counts(sort=True)["count"].to_list() == [266, 134]
    assert any("nothing is made of 'is_like', 'is_hate'" in line for line in said(tmp_path, "log.csv"))


@pytest.mark.parametrize(("value", "action"), [("1", "purchase"), ("buy", "buy")])
def test_a_column_of_one_action_names_it(tmp_path: Path, value: str, action: str) -> None:
    rows = [(user, item, value, int(moment.timestamp())) for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "Purchase" if value == "1" else "event", "time"], rows))
    profile, _ = init(tmp_path, "log.csv")
    assert profile.quality["actions"] == [action]
    assert set(events(profile, tmp_path)["action"]) == {action}


def test_a_catalogue_without_names(tmp_path: Path) -> None:
    rows = [(user, item, int(moment.timestamp())) for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time"], rows))
    items = [
        (
            f"A-{n}",
            "2024-01-01",
            f"The tale of {n} rings",
            f"https://x.example/{n} of them",
            ["Drama|War", "War", "Comedy"][n % 3],
        )
        for n in range(ITEMS)
    ]
    (tmp_path / "items.dat").write_text(lines([], items, "::").lstrip("\n"))
    profile, _ = init(tmp_path, "log.csv", "items.dat")
    assert profile.source["items"]["columns"] == {"item_id": "column_1", "title": "column_3", "categories": "column_5"}
    found = said(tmp_path, "log.csv", "items.dat")
    (line,) = [line for line in found if line.startswith("look at source.items.columns: no name says")]
    assert "'column_3' such as 'The tale of 0 rings' for the title, 'column_5' such as 'Drama|War' for" in line
    (tmp_path / "items.dat").write_text(
        lines([], [(item[0], n * 1.5) for n, item in enumerate(items)], "::").lstrip("\n")
    )
    assert any(
        "no column of the catalogue was taken for a text" in line for line in said(tmp_path, "log.csv", "items.dat")
    )


def test_what_is_proposed_passes_its_own_report(tmp_path: Path) -> None:
    """Of one day a tenth of the events have items that the catalogue lacks, and its own rows are damaged."""
    log = world()
    strange = {n for n in range(0, len(log), 10) if log[n][2] < START + timedelta(days=8)}
    rows = [
        (user, "B-1" if n in strange else item, int(moment.timestamp()))
        for n, (user, item, moment, _) in enumerate(log)
    ]
    rows += [(user, item, time + 40 * 86_400 + n) for n in range(20) for user, item, time in rows if item != "B-1"]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time"], rows))
    items = [(f"A-{n}", f"the title {n}") for n in range(ITEMS)] + [("", f"nothing {n}") for n in range(5)]
    (tmp_path / "items.csv").write_text(lines(["item", "title"], items))
    profile, text = init(tmp_path, "log.csv", "items.csv")
    assert profile.quality["max_rejected_share"] >= 0.15
    assert "reject_unknown_items" not in profile.quality
    assert "of the rows of the catalogue of a day up to 14% are put aside (5 null_key)" in text


def test_what_nobody_changed_is_written_anew(tmp_path: Path) -> None:
    rows = [(user, item, int(moment.timestamp())) for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time"], rows))
    said(tmp_path, "log.csv")
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time"], rows[:300]))
    said(tmp_path, "log.csv")
    written = tmp_path / "said.yaml"
    assert "300 rows" in written.read_text()
    written.write_text(written.read_text().replace("int64", "string").replace("id_type: string", "id_type: string "))
    before = written.read_text()
    assert "is there already" in refused(str(tmp_path / "log.csv"), "--profile", str(written))
    assert written.read_text() == before


@pytest.mark.parametrize("numbered", [True, False])
def test_an_order_without_times(tmp_path: Path, numbered: bool) -> None:
    log = sorted(world(), key=lambda event: int(event[0]))
    places = [sum(other[0] == user for other in log[:n]) for n, (user, *_) in enumerate(log)]
    rows = [(user, item, *([place] if numbered else [])) for (user, item, *_), place in zip(log, places, strict=True)]
    (tmp_path / "order.tsv").write_text(lines(["user_id", "item_id", *(["position"] if numbered else [])], rows, "\t"))
    profile, text = init(tmp_path, "order.tsv")
    found = events(profile, tmp_path).sort("user_id", "timestamp")
    first = datetime(2000, 1, 1, tzinfo=UTC)
    assert set(found.select("user_id", "item_id", "timestamp").rows()) == {
        (int(user), item, first + timedelta(days=place))
        if profile.id_type == "int64"
        else (user, item, first + timedelta(days=place))
        for (user, item, *_), place in zip(log, places, strict=True)
    }
    assert profile.evaluation == {"primary_protocol": "leave_one_out"}
    assert ("counts: not sure" in text) is not numbered


def test_of_an_order_no_place_is_a_stray_day(tmp_path: Path) -> None:
    rows = [(user, item) for user in range(1_000) for item in (user % 7, user % 5 + 10)]
    rows += [(1_000, item) for item in range(300)]
    (tmp_path / "order.txt").write_text("".join(f"{user} {item}\n" for user, item in rows))
    profile, text = init(tmp_path, "order.txt")
    assert profile.last_day == date(2000, 1, 1) + timedelta(days=300)
    assert events(profile, tmp_path).height == len(rows)
    assert "stray" not in text


def test_a_catalogue(tmp_path: Path) -> None:
    rows = [(user, item, int(moment.timestamp())) for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time"], rows))
    (tmp_path / "pictures").mkdir()
    items = []
    for n in range(ITEMS):
        (tmp_path / "pictures" / f"{n}.jpg").write_bytes(b"")
        items.append((n, f"A-{n}", f"Thing number {n}", "a; b;c", f"pictures/{n}.jpg", f"https://shop.example/{n}.jpg"))
    header = ["row", "key", "product_name", "genres", "photo", "image_url"]
    (tmp_path / "items.csv").write_text(lines(header[:5], [row[:5] for row in items], "\t"))
    profile, _ = init(tmp_path, "log.csv", "items.csv")
    section = profile.source["items"]
    assert section["columns"] == {"item_id": "key", "title": "product_name", "categories": "genres", "image": "photo"}
    assert section["category_delimiter"] == ";"
    (tmp_path / "made.yaml").unlink()
    (tmp_path / "items.csv").write_text(lines([*header[:4], header[5]], [(*row[:4], row[5]) for row in items], "\t"))
    profile, text = init(tmp_path, "log.csv", "items.csv")
    assert "image" not in profile.source["items"]["columns"]
    assert "images are left out: of 'image_url', addresses" in text


def test_names_that_items_share_and_numbers_are_proposed_but_none_that_tells_of_the_future(tmp_path: Path) -> None:
    rows = [(user, item, int(moment.timestamp())) for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time"], rows))
    header = ["item", "title", "genres", "brand", "makers", "price", "year", "units_sold", "author_id", "slogan", "row"]
    items = [
        (f"A-{n}", f"T {n}", "a|b", f"brand {n % 3}", "X|Y", 9.5 + n, 1990 + n % 4, n % 5, n % 2, f"buy number {n}", n)
        for n in range(ITEMS)
    ]
    (tmp_path / "items.csv").write_text(lines(header, items))
    profile, text = init(tmp_path, "log.csv", "items.csv")
    assert profile.source["items"]["tags"] == ["brand", "makers"]
    assert profile.source["items"]["numbers"] == ["price", "year"]
    assert "leave out what was counted after it came" in text


def test_a_catalogue_that_lacks_items_lets_their_events_in(tmp_path: Path) -> None:
    rows = [(user, item, int(moment.timestamp())) for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time"], rows))
    (tmp_path / "items.csv").write_text(lines(["item", "title"], [(f"A-{n}", f"t{n}") for n in range(ITEMS // 2)]))
    profile, _ = init(tmp_path, "log.csv", "items.csv")
    assert profile.quality["reject_unknown_items"] is False
    (tmp_path / "items.csv").write_text(lines(["item", "title"], [(f"B-{n}", f"t{n}") for n in range(ITEMS)]))
    assert "no column of" in refused(
        str(tmp_path / "log.csv"), str(tmp_path / "items.csv"), "--profile", f"{tmp_path}/x.yaml"
    )


def test_a_few_stray_days_do_not_stretch_the_span(tmp_path: Path) -> None:
    rows = [(user, item, moment.date()) for user, item, moment, _ in world() * 5]
    rows = [(user, f"{item}-{n}", day) for n, (user, item, day) in enumerate(rows)] + [("1", "x", date(1996, 6, 1))]
    rows += [("1", "y", date(1956, 6, 1)), ("1", "x-1", START.date())]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "date"], rows))
    profile, text = init(tmp_path, "log.csv")
    assert profile.first_day == START.date()
    assert "1 stray rows far from the others are left out" in text


def test_rows_without_a_time_are_allowed_for(tmp_path: Path) -> None:
    rows = [(user, item, int(moment.timestamp())) for user, item, moment, _ in world()]
    missing = [(user, item, "") for user, item, _ in [*rows, *rows]]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time"], [*rows, *missing]))
    profile, text = init(tmp_path, "log.csv")
    assert profile.quality["max_without_time_share"] == 0.75
    assert "max_rejected_share" not in profile.quality
    assert "67% of the rows have no time" in text
    assert "Half of the users have 10 events or fewer" in text


def test_many_repeats_are_allowed_for(tmp_path: Path) -> None:
    rows = [(user, item, moment.date()) for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "date"], [*rows, *rows, *rows]))
    profile, _ = init(tmp_path, "log.csv")
    assert 0.66 < profile.quality["max_rejected_share"] <= 0.8


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        (
            "a.csv",
            "user,item,time\n" + "".join(f"{n},{n % 5},{1_700_000_000 + n}\n" for n in range(50)),
            "every user of .* single event",
        ),
        (
            "a.csv",
            "user,item,time\n" + "".join(f"{n % 5},1,{1_700_000_000 + n}\n" for n in range(50)),
            "no two columns",
        ),
        ("a.csv", "time,price\n1700000000,3.5\n1700000001,4.5\n", "no two columns .*it has time, price"),
        ("a.txt", "".join(f"{n} 1 2 3 4{' 5' * (n % 3)}\n" for n in range(9)), "a history a line"),
        ("a.json", '[{"user": 1}]', "one JSON list"),
        ("a.csv", "user,item,time\n", "no rows"),
        ("a.csv", "", "is empty"),
    ],
)
def test_what_cannot_succeed_is_refused_in_a_sentence(tmp_path: Path, name: str, text: str, why: str) -> None:
    (tmp_path / name).write_text(text)
    assert re.search(why, refused(str(tmp_path / name), "--profile", f"{tmp_path}/out.yaml"))
    assert not (tmp_path / "out.yaml").exists()


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,time\n1,2,3\n")
    (tmp_path / "out.yaml").write_text("mine")
    assert "is there already" in refused(str(tmp_path / "log.csv"), "--profile", f"{tmp_path}/out.yaml")
    assert (tmp_path / "out.yaml").read_text() == "mine"
    assert "is no file" in refused(f"{tmp_path}/none.csv")
    assert "does not end with .yaml" in refused(str(tmp_path / "log.csv"), "--profile", f"{tmp_path}/out.txt")


def test_names_of_files_and_columns_survive_as_text(tmp_path: Path) -> None:
    folder = tmp_path / "$HOME: [x] #1"
    folder.mkdir()
    rows = [(user, item, int(moment.timestamp())) for user, item, moment, _ in world()]
    (folder / "events.csv").write_text(lines(["user: $id", "item #", "time"], rows))
    profile, text = init(folder, "events.csv")
    assert yaml.safe_load(text)["source"]["events"]["columns"]["user_id"] == "user: $$id"
    assert events(profile, tmp_path).height == ROWS
