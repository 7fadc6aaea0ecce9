"""`genrec init`: the profile that is written fits the files, and what cannot succeed is refused."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.orchestration.init.worlds import ITEMS, START, init, lines, refused, said, world


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
