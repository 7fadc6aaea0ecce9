"""`genrec init`: which column is the user, the item, the action and the value."""

from pathlib import Path

import numpy as np
import pytest

from tests.orchestration.init.worlds import ITEMS, ROWS, TEXTS, events, init, lines, said, told, tried, world


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


def test_yes_and_no_may_be_words(tmp_path: Path) -> None:
    rows = [
        (user, item, int(moment.timestamp()), "ny"[n % 3 == 0]) for n, (user, item, moment, _) in enumerate(world())
    ]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time", "clicked"], rows))
    profile, _ = init(tmp_path, "log.csv")
    assert (profile.quality["actions"], profile.training["positive_actions"]) == (["n", "y"], ["y"])


@pytest.mark.parametrize(("value", "action"), [("1", "purchase"), ("buy", "buy")])
def test_a_column_of_one_action_names_it(tmp_path: Path, value: str, action: str) -> None:
    rows = [(user, item, value, int(moment.timestamp())) for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "Purchase" if value == "1" else "event", "time"], rows))
    profile, _ = init(tmp_path, "log.csv")
    assert profile.quality["actions"] == [action]
    assert set(events(profile, tmp_path)["action"]) == {action}


def test_a_column_that_is_called_value_and_is_none_is_left_out(tmp_path: Path) -> None:
    rows = [(user, item, int(moment.timestamp()), "high") for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time", "value"], rows))
    profile, text, doubts = tried(tmp_path, "log.csv")
    assert profile.source["events"]["constants"] == {"action": "interaction", "value": ""}
    assert "the file's own is left out: values such as 'high' are none of its type" in text
    assert events(profile, tmp_path).height == ROWS
    assert any("look at source.events: the column 'value' of the file is left out" in line for line in doubts)


def test_blanks_around_numbers_change_nothing(tmp_path: Path) -> None:
    rows = [(f" {user}", f" {item}", f" {int(moment.timestamp())}", " 3.5") for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["user", " item", " time", " value"], rows))
    profile, _ = init(tmp_path, "log.csv")
    found = events(profile, tmp_path)
    assert (found.height, set(found["value"])) == (ROWS, {3.5})


@pytest.mark.parametrize(
    ("marks", "decimal", "read"),
    [
        (["3,5", "4"], ",", {3.5, 4.0}),
        (["1.200,50", "7,25"], ",", {1200.5, 7.25}),
        (["3.5", "n/a", "-"], ".", {3.5, None}),
        (["3,5", "3.5"], ".", {None}),
    ],
)
def test_values_with_either_decimal_mark_cost_no_row(
    tmp_path: Path, marks: list[str], decimal: str, read: set[float | None]
) -> None:
    rows = [
        (user, item, f"{moment:%Y-%m-%d %H:%M:%S}", marks[n % len(marks)])
        for n, (user, item, moment, _) in enumerate(world())
    ]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time", "rating"], rows, ";"))
    profile, text = init(tmp_path, "log.csv")
    assert profile.source["events"].get("decimal", ".") == decimal
    assert ("value" in profile.source["events"]["columns"]) == (read != {None})
    assert "max_rejected_share" not in text
    found = events(profile, tmp_path)
    assert (found.height, set(found["value"])) == (ROWS, read)
