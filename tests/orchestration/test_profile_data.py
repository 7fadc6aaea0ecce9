"""`genrec profile-data` says of a log or a profile what the asset `data_report` says, and exits with 1 if it stops."""

import re
from pathlib import Path

import yaml
from typer.testing import CliRunner, Result

from orchestration.cli import app
from tests.assets.data_report.worlds import walks, write


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def profile(folder: Path, **more: object) -> Path:
    log = write(folder / "events.csv", walks(users=60))
    written = {
        "first_day": "2026-01-01",
        "last_day": "2026-01-07",
        "source": {"kind": "files", "events": {"path": str(log)}},
        "quality": {"actions": ["view", "purchase"]},
        "training": {"positive_actions": ["view"]},
        "release": {"min_users": 10},
    }
    path = folder / "shop.yaml"
    path.write_text(yaml.safe_dump({**written, **more}))
    return path


def test_a_log_by_the_profile_that_would_be_written_for_it(tmp_path: Path) -> None:
    log = write(tmp_path / "events.csv", walks(users=60))
    catalogue = write(tmp_path / "items.csv", [(f"i{n}", f"thing number {n}") for n in range(20)], ("item_id", "title"))
    before = sorted(tmp_path.iterdir())
    done = run("profile-data", log, catalogue)
    assert done.exit_code == 0, done.output
    for said in (
        "360\n",
        "2026-01-01 to 2026-01-06: 6 with events of 6",
        "60 by time (1 day from 2026-01-06), 15 by leave-one-out",
        "20 items, 20 with a text, 0 with an image",
        "██████",
    ):
        assert said in "\n".join(line.rstrip() for line in done.output.splitlines())
    assert sorted(tmp_path.iterdir()) == before, "it keeps nothing"


def test_a_profile_as_it_stands(tmp_path: Path) -> None:
    done = run("profile-data", profile(tmp_path))
    assert done.exit_code == 0, done.output
    assert "look at quality.actions: no row has 'purchase': leave it out, unless it is to come" in done.output
    stopped = run("profile-data", profile(tmp_path, training={"positive_actions": ["purchase"]}))
    assert stopped.exit_code == 1
    assert "stops training.positive_actions: no row has 'purchase', the log has view (360)" in stopped.output


def test_what_is_neither_a_log_nor_a_profile(tmp_path: Path) -> None:
    for arguments, said in (
        ((tmp_path / "none.csv",), "none.csv is no file: name a profile, or a log and after it its catalogue"),
        ((tmp_path / "none.yaml",), "there is no profile"),
        ((profile(tmp_path), tmp_path / "items.csv"), "is a profile, which names its catalogue itself"),
        (
            (profile(tmp_path, first_day="2099-01-01", last_day=None),),
            "there is no day yet: the first one, 2099-01-01,",
        ),
    ):
        done = run("profile-data", *arguments)
        assert done.exit_code == 1
        assert said in " ".join(done.stderr.split())


def test_init_ends_with_the_report_and_the_next_commands(tmp_path: Path) -> None:
    log, out = write(tmp_path / "shop.csv", walks(users=60)), tmp_path / "made.yaml"
    done = run("init", log, "--profile", out)
    assert done.exit_code == 0, done.output
    written, _, said = done.output.partition("made.yaml is written.")
    assert "positive_actions: [view]" in written
    assert "60 by time (1 day from 2026-01-06)" in said
    assert f"genrec materialize --profile {out}" in said
    assert re.search(rf"genrec recommend u\d+ --profile {re.escape(str(out))}", said)
