"""The profile of `docs/your-own-data.md`, as it is printed there, on files of the kind it describes."""

import gzip
import json
import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from storage.sequence_store import scan_sequences

DOCUMENT = Path(__file__).parents[2] / "docs" / "your-own-data.md"
FIRST = date(2026, 1, 1)
DAYS, USERS, ITEMS = 3, 40, 30


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Writes the shop's files and the profile; the files hold a few lines that nobody can use."""
    draw = np.random.default_rng(0)
    lines = ["sku,name,text,tags,photo,brand,designers,price,year"]
    tags = [f"topic {n % 5}|things,,B{n % 4},D{n % 3}|D{n % 2}" for n in range(ITEMS)]
    lines += [
        f'A-{n},"Thing {n}, the {n % 5}th","about topic {n % 5}",{tags[n]},{n}.5,{2000 + n % 9}' for n in range(ITEMS)
    ]
    (tmp_path / "catalogue.csv").write_text("\n".join(lines) + "\n")
    for number in range(DAYS):
        day = FIRST + timedelta(days=number)
        midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        rows = [
            json.dumps(
                {
                    "customer": f"c{user}",
                    "sku": f"A-{draw.integers(ITEMS)}",
                    "time": midnight + 60 * (10 * user + visit),
                    "event": "click" if visit % 2 else "view",
                }
            )
            for user in range(USERS)
            for visit in range(10)
        ]
        rows[5] = rows[5][:-9]  # cut off
        rows[6] = rows[6].replace('"view"', '"hover"').replace('"click"', '"hover"')
        folder = tmp_path / "events" / day.isoformat()
        folder.mkdir(parents=True)
        (folder / "log.jsonl.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    printed = re.search(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert printed
    profile = tmp_path / "shop.yaml"
    for_this_test = [
        f"last_day: {FIRST + timedelta(days=DAYS)}",
        "ray: {mode: inline}",
        "release: {margin: -1, min_users: 1}",
    ]
    profile.write_text("\n".join([printed[1].replace("/data/shop", str(tmp_path)), *for_this_test]))
    return profile


def genrec(profile: Path, *arguments: str, exits: int = 0) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GENREC_", "DAGSTER_", "RAY_"))}
    finished = subprocess.run(
        [str(Path(sys.executable).with_name("genrec")), *arguments, "--profile", str(profile)],
        env={**clean, "GENREC_HOME": str(profile.parent / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == exits, finished.stdout + finished.stderr
    return finished.stdout


def test_a_new_users_first_steps(shop: Path) -> None:
    genrec(shop, "materialize", "--days", FIRST.isoformat(), "--select", "*events")
    tables = shop.parent / "home" / "shop" / "tables"
    assert pl.read_delta(str(tables / "events")).height == USERS * 10 - 2
    quarantine = pl.read_delta(str(tables / "quarantine"))
    assert sorted(quarantine["reason"]) == ["malformed", "unknown_action"]
    assert quarantine["source_row"].sort().to_list() == [5, 6]

    genrec(shop, "materialize", "--select", "*release")
    assert scan_sequences(str(tables.parent)).collect().height == USERS
    status = json.loads(genrec(shop, "status", "--json", exits=1))
    assert status["champion"]
    assert not status["serving"]["alive"], "the endpoint was not asked for, which status calls a problem"
    assert status["champion"] in status["problem"]
    assert status["metrics"]["hstu"]["ndcg@10"].keys() >= {"mean", "low", "high"}
