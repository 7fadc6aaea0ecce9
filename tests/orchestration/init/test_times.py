"""`genrec init`: times in many forms are read as the moments that were written."""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from assets.sources.files_settings import EventFilesSettings
from assets.sources.source import SourceError
from tests.orchestration.init.worlds import ROWS, START, TEXTS, events, init, lines, profile_report, told, world


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
