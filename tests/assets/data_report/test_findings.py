"""Each thing that does not fit is said in one sentence that names the key, the number and what to do."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.assets.data_report.worlds import DAY, SECOND, START, only, reported, walks, write
from tests.cases.folder import cases

CUSTOMERS = ("customer", "item_id", "timestamp", "action", "request_id")


def test_a_log_that_fits_has_no_finding(tmp_path: Path) -> None:
    report = reported(tmp_path, walks())
    assert report.findings == []
    told = dict(report.lines())
    assert told["rows"] == "180"
    assert told["days"] == "2026-01-01 to 2026-01-06: 6 with events of 6"
    assert told["users"] == "30, 30 of them with a positive"
    assert told["catalogue"] == "20 items, 0 with a text, 0 with an image"
    assert report.numbers()["median_history"] == 6


@pytest.mark.parametrize(
    ("unit", "divided", "said"),
    [
        ("ms", 1_000, "write `timestamp_unit: s`, in which they are"),
        ("s", 1, "write `timestamp_unit: ms`, in which they are"),
        ("iso", 1_000, "write `timestamp_unit: s`, in which they are"),
    ],
)
def test_times_in_another_unit(tmp_path: Path, unit: str, divided: int, said: str) -> None:
    rows = [(user, item, time // divided, *more) for user, item, time, *more in walks()]  # type: ignore[operator]
    report = reported(tmp_path, rows, events={"timestamp_unit": unit})
    found = only(report, "source.events.timestamp_unit")
    assert found.advice == said
    assert found.what.startswith("the times of 180 of 180 rows such as '176")
    assert report.stopping == [found, only(report, "quality")]
    assert only(report, "quality").what.startswith("none of the 180 rows is an event (180 ")


def test_times_in_another_form(tmp_path: Path) -> None:
    rows = [(f"u{n % 9}", f"i{n % 7}", f"{n % 5 + 1:02d}.01.2026 10:{n:02d}", "view") for n in range(50)]
    columns = ("user_id", "item_id", "when", "action")
    events = {"columns": {"timestamp": "when"}, "timestamp_format": "%Y/%m/%d"}
    found = only(reported(tmp_path, rows, events=events, columns=columns), "source.events.timestamp_format")
    assert found.what.startswith("the times of 50 of 50 rows such as '01.01.2026 10:00'")
    assert found.what.endswith("are no times in that unit or form")
    assert found.advice == "write `timestamp_format: %d.%m.%Y %H:%M`, in which they are"


def test_events_of_1970_that_the_profile_lets_in(tmp_path: Path) -> None:
    rows = [(user, item, time // 1_000, *more) for user, item, time, *more in walks()]  # type: ignore[operator]
    found = only(reported(tmp_path, rows, quality={"earliest": "1960-01-01"}), "source.events.timestamp_unit")
    assert found.what.endswith("lie before 1995 or in the future")
    assert found.advice == "write `timestamp_unit: s`, in which they are"
    allowed = {"earliest": "1960-01-01", "reject_unknown_items": False}
    found = only(reported(tmp_path, rows, quality=allowed), "source.events.timestamp_unit")
    assert found.what.startswith("the first event is of 1970-01-21")


def test_ids_that_are_no_numbers(tmp_path: Path) -> None:
    report = reported(
        tmp_path, walks(), events={"columns": {"user_id": "customer"}}, id_type="int64", columns=CUSTOMERS
    )
    found = only(report, "id_type")
    assert found.what == (
        "180 rows have a value such as 'u0', 'u1', 'u10' in 'customer', "
        "180 rows have a value such as 'i3', 'i4', 'i5' in 'item_id', which is no whole number"
    )
    assert found.advice == "write `id_type: string`"


def test_one_damaged_id_changes_no_type(tmp_path: Path) -> None:
    rows = [("9e+05" if n == 7 else n % 9, n % 5, START + n * 3_600 * SECOND, "view", "") for n in range(140)]
    report = reported(tmp_path, rows, events={"columns": {"user_id": "customer"}}, id_type="int64", columns=CUSTOMERS)
    found = only(report, "source.events.columns.user_id")
    assert found.what == "1 row has a value such as '9e+05' in 'customer', which is no whole number"
    assert found.advice == "nothing, if such rows are damaged: they are put aside"


def test_duplicates_of_a_log_of_days(tmp_path: Path) -> None:
    rows = [(user, item, START + day * DAY, *more) for day in range(6) for user, item, _, *more in walks(days=1)]
    found = only(reported(tmp_path, [*rows, *rows[:20]]), "source.events")
    assert found.advice.startswith("nothing, if no column has times finer than these days")
    spread = only(reported(tmp_path, [*walks(), *walks()[:20]]), "source.events")
    assert "map a finer time" in spread.advice


def test_values_of_the_wrong_type(tmp_path: Path) -> None:
    rows = [(*row[:4], "1,5" if n % 4 else "2,0") for n, row in enumerate(walks())]
    columns = ("user_id", "item_id", "timestamp", "action", "price")
    quoted = [(*row[:4], f'"{row[4]}"') for row in rows]
    report = reported(tmp_path, quoted, events={"columns": {"value": "price"}}, columns=columns)
    found = only(report, "source.events.columns.value")
    assert found.what == "180 rows have a value such as '1,5', '2,0' in 'price', which is none of its type"
    assert found.advice == 'write `decimal: ","`'


def test_ids_of_the_catalogue_that_are_no_numbers(tmp_path: Path) -> None:
    rows = [(n % 9, n % 5, START + n * 3_600 * SECOND, "view", "") for n in range(100)]
    items = {"path": str(write(tmp_path / "items.csv", [(f"A-{n}", "x") for n in range(5)], ("sku", "title")))}
    mapped = items | {"columns": {"item_id": "sku"}}
    report = reported(tmp_path, rows, items=mapped, id_type="int64")
    found = only(report, "id_type")
    assert found.what.startswith("5 rows of the catalogue have a value such as 'A-0', 'A-1', 'A-2' in 'sku'")
    assert dict(report.lines())["catalogue"].startswith("0 items, 0 with a text, 0 with an image; 5 rows put aside (5 ")
    refused = only(report, "quality.max_rejected_share")
    assert refused.stops
    assert refused.what.startswith("of the rows of the catalogue of a day up to 100% are put aside")


def test_an_empty_column(tmp_path: Path) -> None:
    rows = [("" if n % 3 else user, item, *more) for n, (user, item, *more) in enumerate(walks())]
    report = reported(tmp_path, rows, events={"columns": {"user_id": "customer"}}, columns=CUSTOMERS)
    assert only(report, "source.events.columns.user_id").what == "it is empty in 120 of 180 rows"
    refused = only(report, "quality.max_rejected_share")
    assert refused.stops
    assert refused.what.startswith("of the rows of a day up to 67% are put aside, 5% are allowed")
    allowed = {"max_rejected_share": 0.7}
    report = reported(tmp_path, rows, quality=allowed, events={"columns": {"user_id": "customer"}}, columns=CUSTOMERS)
    assert not report.stopping


def test_actions_of_the_profile_that_the_log_does_not_have(tmp_path: Path) -> None:
    report = reported(tmp_path, walks(), quality={"actions": ["view", "purchase"]})
    assert only(report, "quality.actions").what == "no row has 'purchase'"
    assert not report.stopping


def test_actions_of_the_log_that_the_profile_does_not_have(tmp_path: Path) -> None:
    rows = [(*row[:3], "Buy" if n % 2 else "view", "") for n, row in enumerate(walks())]
    found = only(reported(tmp_path, rows), "quality.actions")
    assert found.what == "90 of 180 rows have another action such as 'Buy'"


@pytest.mark.parametrize("positive", [["buy"], ["buy", "like"]])
def test_positive_actions_that_no_row_carries_stop(tmp_path: Path, positive: list[str]) -> None:
    quality, training = {"actions": ["view", "buy", "like"]}, {"positive_actions": positive}
    report = reported(tmp_path, walks(), quality=quality, training=training)
    found = only(report, "training.positive_actions")
    assert found.stops
    assert found.what == f"no row has {', '.join(map(repr, positive))}, the log has view (180)"
    assert report.seen.cut is None
    some = reported(tmp_path, walks(), quality=quality, training={"positive_actions": ["view", *positive]})
    assert not some.stopping
    assert only(some, "training.positive_actions").what.startswith("no row has 'buy'")


def test_positive_actions_that_are_not_in_the_vocabulary_stop(tmp_path: Path) -> None:
    report = reported(tmp_path, walks(), training={"positive_actions": ["purchase"]})
    assert only(report, "training.positive_actions").stops


def test_requests_that_last_for_hours(tmp_path: Path) -> None:
    rows = [(*row[:4], f"session of {row[0]}") for row in walks()]
    report = reported(tmp_path, rows)
    found = only(report, "source.events.columns.request_id")
    assert found.what.startswith("100% of 30 requests last longer than 30 minutes")
    assert reported(tmp_path, [(*row[:4], f"{n}") for n, row in enumerate(walks())]).findings == []


@pytest.mark.parametrize("name", ["with", "constant"])
def test_request_ids_of_the_case_are_none(tmp_path: Path, name: str) -> None:
    lines = (cases("request_ids") / f"{name}.csv").read_text().splitlines()
    columns = tuple(lines[0].split(","))
    report = reported(
        tmp_path,
        [tuple(line.split(",")) for line in lines[1:]],
        columns=columns,
        quality={"actions": ["view", "click", "impression"], "reject_unknown_items": False},
        training={"positive_actions": ["click"]},
        days=30,
    )
    assert "source.events.columns.request_id" in {finding.key for finding in report.findings}


def test_duplicates_and_rows_on_other_days(tmp_path: Path) -> None:
    report = reported(tmp_path, [*walks(), *walks()[:20]], days=5)
    assert only(report, "source.events").what.startswith("20 of 170 rows repeat the user, item, time and action")
    assert only(report, "first_day, last_day").what.startswith("30 rows of the files lie on no day from 2026-01-01")


def test_a_log_of_other_days_stops(tmp_path: Path) -> None:
    rows = [(user, item, time - 40 * DAY, *more) for user, item, time, *more in walks()]  # type: ignore[operator]
    found = only(reported(tmp_path, rows), "first_day, last_day")
    assert found.stops
    assert found.what == "there is no row from 2026-01-01 to 2026-01-06; 180 rows lie on other days"


def test_a_catalogue_of_other_ids(tmp_path: Path) -> None:
    items = {"path": str(write(tmp_path / "items.csv", [(f"{n}", "x") for n in range(9)], ("sku", "title")))}
    mapped = items | {"columns": {"item_id": "sku"}}
    report = reported(tmp_path, walks(), items=mapped)
    found = only(report, "source.items.columns.item_id")
    assert found.what.startswith("180 of 180 rows are of items that the catalogue lacks such as 'i3'")
    assert only(report, "quality").stops
    kept = reported(tmp_path, walks(), items=mapped, quality={"reject_unknown_items": False})
    assert only(kept, "source.items.columns.item_id").what == "the catalogue has 0% of the items that were chosen"
    assert not kept.stopping


def test_a_single_item_stops(tmp_path: Path) -> None:
    found = only(reported(tmp_path, walks(items=1)), "source.events.columns.item_id")
    assert found.stops


def test_users_without_a_history(tmp_path: Path) -> None:
    rows = [(f"u{n}", *row[1:]) for n, row in enumerate(walks())]
    report = reported(tmp_path, rows)
    assert only(report, "source.events.columns.user_id").what.startswith("none of 180 users has two interactions")
    assert report.seen.cut is not None
    assert set(report.seen.cut.cases.values()) == {0}
    assert "popularity is all that can be released" in only(report, "source.events.columns.user_id").advice


def test_nobody_is_held_out(tmp_path: Path) -> None:
    found = only(
        reported(tmp_path, walks(), evaluation={"window_days": 0, "leave_one_out_users": 0}),
        "evaluation.leave_one_out_users",
    )
    assert "too few users can be asked (0 by time, 0 by leave_one_out" in found.what


def test_moments_that_are_shared_hide_the_last_one(tmp_path: Path) -> None:
    rows = [(user, item, START + (n % 2) * SECOND, *more) for n, (user, item, _, *more) in enumerate(walks(days=4))]
    report = reported(tmp_path, [(row[0], row[1], START, *row[3:]) for row in rows])
    assert only(report, "evaluation.hold_out_ties").advice.startswith("set it to true")
    report = reported(tmp_path, [(row[0], row[1], START, *row[3:]) for row in rows], evaluation={"hold_out_ties": True})
    assert report.seen.cut is not None
    assert report.seen.cut.cases["leave_one_out"] > 0


def test_nothing_before_the_cutoff_stops(tmp_path: Path) -> None:
    found = only(reported(tmp_path, walks(), evaluation={"window_days": 6}), "evaluation.window_days")
    assert found.stops
    assert found.what == "nothing that counts happened before 2026-01-01, where training ends"


def test_a_log_of_one_day_and_one_action_is_fine(tmp_path: Path) -> None:
    rows = [(user, item, START + n * SECOND, *more) for n, (user, item, _, *more) in enumerate(walks())]
    assert reported(tmp_path, rows, release={"min_users": 1}).findings == []


def test_an_order_without_times(tmp_path: Path) -> None:
    rows = [(user, item) for user, item, *_ in walks()]
    events: dict[str, Any] = {"ordinal": True, "constants": {"action": "view"}}
    report = reported(tmp_path, rows, events=events, columns=("user_id", "item_id"))
    assert report.findings == []
    assert report.seen.cut is not None
    assert report.seen.cut.cases["leave_one_out"] > 0
    told = dict(report.lines())
    assert told["times"].startswith("none: the order of each user's rows counts")
    assert told["evaluation cases"] == f"{report.seen.cut.cases['leave_one_out']} by leave-one-out"
    assert not told.keys() & {"days", "events a day", "new users", "new items", "hits in 10, time"}


def test_a_window_without_users_beside_enough_cases(tmp_path: Path) -> None:
    rows = [*walks(users=60, days=5), ("u1", "i1", START + 5 * DAY, "view", "")]
    report = reported(tmp_path, rows, evaluation={"window_days": 1, "leave_one_out_users": 20})
    found = only(report, "evaluation.window_days")
    assert found.what.startswith("1 user can be asked of the last day (5 count)")
    assert "hits in 10, time" not in dict(report.lines())
    assert "hits in 10, leave_one_out" in dict(report.lines())


def test_few_cases_are_no_judgement(tmp_path: Path) -> None:
    found = only(reported(tmp_path, walks(), release={"min_users": 100}), "release.min_users")
    assert found.what.startswith("too few users can be asked (30 by time, 7 by leave_one_out; 100 count)")


def test_images_are_decoded_and_counted(tmp_path: Path) -> None:
    for n in range(3):
        Image.new("RGB", (8, 8), (n, 0, 0)).save(tmp_path / f"{n}.png")
    (tmp_path / "3.png").write_bytes(b"no image")
    names = [f"{n}.png" for n in range(5)] + ["http://127.0.0.1/x.png"] + [""] * 14
    rows = [(f"i{n}", f"title {n}", name) for n, name in enumerate(names)]
    items = {"path": str(write(tmp_path / "items.csv", rows, ("item_id", "title", "image")))}
    report = reported(tmp_path, walks(), items=items)
    told = dict(report.lines())
    assert told["catalogue"] == "20 items, 20 with a text, 6 with an image"
    assert told["images"] == "3 of 6 readable"
    found = only(report, "source.items.columns.image")
    assert found.what.startswith("3 of 6 images are readable (1 ")
    for reason in ("1 file not found", "1 not an image of a known format", "content.image.download is off"):
        assert reason in found.what
    without = reported(tmp_path, walks(), items=items, content={"image": {"mode": "none"}})
    assert without.findings == []


def test_rows_that_cannot_be_parsed(tmp_path: Path) -> None:
    rows = [(*row, "one", "too many") if n % 10 == 0 else row for n, row in enumerate(walks())]
    report = reported(tmp_path, rows, quality={"max_rejected_share": 0.2})
    assert only(report, "source.events").what == "18 of 180 rows cannot be parsed"


def test_rows_of_the_catalogue_that_cannot_be_parsed_or_have_no_id(tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [(f"i{n}", "x") for n in range(20)]
    rows += [("", "x"), ("", "y"), ("i1", "too", "many")]
    items = {"path": str(write(tmp_path / "items.csv", rows, ("sku", "title"))), "columns": {"item_id": "sku"}}
    report = reported(tmp_path, walks(), items=items, quality={"max_rejected_share": 0.2})
    assert only(report, "source.items.columns.item_id").what == "it is empty in 2 of 23 rows of the catalogue"
    assert only(report, "source.items").what == "1 of 23 rows of the catalogue cannot be parsed"


def test_tags_that_are_objects(tmp_path: Path) -> None:
    rows = [f'{{"item_id": "i{n}", "brand": {{"name": "x"}}}}' for n in range(20)]
    (tmp_path / "items.jsonl").write_text("\n".join(rows))
    report = reported(tmp_path, walks(), items={"path": str(tmp_path / "items.jsonl"), "tags": ["brand"]})
    found = only(report, "source.items.tags")
    assert found.what == "20 rows of the catalogue have a value in 'brand', which is no name"
    assert found.advice == "name a column of texts or lists of such"
