"""`genrec init`: logs that have an order and no times."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.orchestration.init.worlds import events, init, lines, said, world


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


def test_times_that_no_unit_fits_are_said_to_be_there(tmp_path: Path) -> None:
    rows = [
        (user, item, int(moment.timestamp()) * (1_000 if n % 2 else 1))
        for n, (user, item, moment, _) in enumerate(world())
    ]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time"], rows))
    found = said(tmp_path, "log.csv")
    assert any("source.events.ordinal: no one unit or form fits the times in 'time'" in line for line in found)
