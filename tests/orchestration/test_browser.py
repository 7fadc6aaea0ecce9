"""Dagster's UI as a person uses it: real clicks in a real browser, on `genrec ui` and a shop of a few dozen users."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest

from assets.versions import releases_of
from benchmarks.user_interface import user_interface
from orchestration.screenshots import ScreenshotError
from serving.ports import free_port
from storage.lake import Lake
from storage.sequence_store import SEQUENCES_TABLE
from tests.orchestration.person import Person, at_the_browser
from tests.serving.world import World

pytestmark = pytest.mark.cluster

FIRST = date(2026, 1, 1)
DAYS = [(FIRST + timedelta(days=number)).isoformat() for number in range(3)]
USERS = dict(zip(DAYS, (20, 24, 30), strict=True))
UNKNOWN_ACTIONS = dict(zip(DAYS, (0, 3, 1), strict=True))
ITEMS, VISITS = 30, 12

MATERIALIZE = "//button[starts-with(., 'Materialize')]"
OPEN_LAUNCHPAD = "//*[text()='Open launchpad']"
IN_DIALOG = "//*[contains(@class, 'dialog')]"
NEWEST_EVENT = "//*[text()='Metadata']/following::table[1]"


@dataclass(frozen=True)
class Shop:
    """A profile with its logs, home and ports."""

    folder: Path
    ports: dict[str, int]

    @classmethod
    def made(cls, folder: Path) -> "Shop":
        ports = {name: free_port() for name in ("endpoint", "ui", "data_docs", "ray", "dashboard")}
        profile = {
            "first_day": DAYS[0],
            "last_day": (FIRST + timedelta(days=len(DAYS))).isoformat(),
            "id_type": "int64",
            "source": {
                "kind": "files",
                "events": {"path": f"{folder}/{{day}}.csv", "timestamp_unit": "s"},
                "items": {"path": f"{folder}/items.csv"},
            },
            "quality": {"max_rejected_share": 0.5},
            "training": {"positive_actions": ["like"]},
            "endpoint": {"port": ports["endpoint"], "replicas": 1},
            "ray": {"port": ports["ray"], "dashboard_port": ports["dashboard"], "object_store_mb": 200},
            "ui": {"port": ports["ui"], "data_docs_port": ports["data_docs"]},
        }
        (folder / "shop.yaml").write_text(json.dumps(profile))
        items = "\n".join(f"{item},Thing {item},topic {item % 5}" for item in range(1, ITEMS + 1))
        (folder / "items.csv").write_text(f"item_id,title,categories\n{items}\n")
        for number, day in enumerate(DAYS):
            (folder / f"{day}.csv").write_text(log_of(day, number))
        return cls(folder, ports)

    @property
    def lake(self) -> Lake:
        return Lake(str(self.folder / "home" / "shop"))

    @property
    def environment(self) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("GENREC_", "DAGSTER_", "RAY_"))}
        return {**clean, "GENREC_HOME": str(self.folder / "home")}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "orchestration.cli", *arguments, "--profile", str(self.folder / "shop.yaml")]

    def genrec(self, *arguments: str) -> None:
        done = subprocess.run(self.command(*arguments), env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def url(self, server: str) -> str:
        return f"http://127.0.0.1:{self.ports[server]}"

    def served(self) -> str:
        answer = httpx.get(f"{self.url('endpoint')}/v1/status", trust_env=False, timeout=10)
        return str(answer.json()["version"])

    def stand_in(self, version: str) -> None:
        """Makes a version of random weights champion, and puts histories where those that it learned from would be."""
        world = World(Path(self.lake.root), ITEMS)
        learned_from = {SEQUENCES_TABLE: world.histories(world.sequences(int)).version}
        world.artifact(version, ord(version), pl.Series(range(1, ITEMS + 1)), learned_from)
        releases_of(self.lake).promote(version, f"{version} looked best")


def log_of(day: str, seed: int) -> str:
    """The day's file: every user visits VISITS items, and a few rows have an action that nobody knows."""
    draw, midnight = np.random.default_rng(seed), int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    rows = [
        (
            user,
            int(draw.integers(1, ITEMS + 1)),
            midnight + 60 * (VISITS * user + visit),
            "like" if visit % 2 else "view",
        )
        for user in range(1, USERS[day] + 1)
        for visit in range(VISITS)
    ]
    rows += [(1, 1, midnight + minute, "hover") for minute in range(UNKNOWN_ACTIONS[day])]
    lines = [",".join(map(str, row)) for row in rows]
    return "\n".join(["user_id,item_id,timestamp,action", *lines]) + "\n"


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    try:
        with at_the_browser() as person:
            yield person
    except ScreenshotError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def shop(person: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Its UI, and the head that `genrec ui` starts, run as long as the tests of this file."""
    shop = Shop.made(tmp_path_factory.mktemp("shop"))
    try:
        with user_interface(shop.command("ui"), shop.ports["ui"], shop.environment, shop.folder / "ui.log") as running:
            yield shop
        assert "Maximum is" not in running.log.read_text()
    finally:
        shop.genrec("down")


@pytest.fixture(autouse=True)
def at_home(person: Person) -> Iterator[None]:
    """The browser asks nobody but this machine, and its console has no errors."""
    yield
    assert person.requested() == {"127.0.0.1"}
    assert person.complaints() == []


@pytest.fixture(scope="module")
def backfilled(person: Person, shop: Shop) -> Shop:
    """After a backfill of all days of events and items, by clicks on the lineage."""
    person.goes_to(f"{shop.url('ui')}/asset-groups")
    person.types('+key:"events"')
    person.presses_enter()
    person.clicks(MATERIALIZE, shows="//*[starts-with(text(), 'Launch runs to materialize 4 assets')]")
    person.clicks("//button[.='All']")
    person.clicks("//button[.='Launch backfill']")
    person.sees("Created backfill")
    person.goes_to(f"{shop.url('ui')}/assets/events")
    person.clicks("//a[.='Partitions']")
    person.sees(f"Materialized ({len(DAYS)})")
    return shop


def test_a_misspelt_setting_cannot_be_launched(person: Person, shop: Shop) -> None:
    person.goes_to(f"{shop.url('ui')}/assets/hstu_model")
    person.clicks(f"{MATERIALIZE}/following::button[1]", shows=OPEN_LAUNCHPAD)
    person.clicks(OPEN_LAUNCHPAD)
    person.clicks("//button[.='Confirm']")
    launch = f"{IN_DIALOG}{MATERIALIZE}"
    for config, told in (
        ("resources: {training: {config: {optimisation: {learning_rat: 0.1}}}}", "learning_rat"),
        ("resources: {lake: {config: {root: /elsewhere}}}", "root"),
        ("ops: {hstu_model: {config: {optimisation: {epochs: 3}}}}", "optimisation"),
    ):
        person.types(config)
        person.sees(f'Received unexpected config entry "{told}"')
        person.reads(f"{launch}[@disabled]")
    person.types("resources: {training: {config: {optimisation: {learning_rate: 0.1}}}}")
    person.sees("No errors")
    person.reads(f"{launch}[not(@disabled)]")
    person.goes_to(f"{shop.url('ui')}/runs")
    person.sees("No runs")


def test_each_day_shows_its_own_rows_and_links_to_its_data_docs(person: Person, backfilled: Shop) -> None:
    person.goes_to(f"{backfilled.url('ui')}/assets/events")
    person.clicks("//a[.='Partitions']")
    for day in DAYS:
        person.clicks(f"//input[starts-with(@placeholder, 'Filter by name')]/following::*[text()='{day}'][1]")
        rows = (backfilled.folder / f"{day}.csv").read_text().splitlines()[1:]
        good = [row for row in rows if not row.endswith(",hover")]
        assert int(person.reads(value_of("rows_in", day))) == len(rows)
        assert int(person.reads(value_of("dagster/partition_row_count", day))) == len(good)
        assert int(person.reads(value_of("rows_rejected", day))) == UNKNOWN_ACTIONS[day]
    with person.in_new_tab(f"{value_of('data_docs', DAYS[-1])}//a"):
        person.sees("values must belong to this set")
        assert person.chrome.current_url.startswith(f"{backfilled.url('data_docs')}/events/")
        assert person.chrome.title == f"events {DAYS[0]}_{DAYS[-1]}"
        person.clicks("//a[contains(., 'Show more info')]")
        person.sees("Run Name")


def value_of(entry: str, day: str) -> str:
    """Where the value of a metadata entry stands on the page that shows this day."""
    heading = f"//*[contains(@class, 'size20')][contains(., '{day}')]"
    return f"{heading}/following::tr[td[1][.='{entry}']]/td[2]"


def test_after_a_rollback_the_pages_name_the_version_that_answers(person: Person, backfilled: Shop) -> None:
    ui = backfilled.url("ui")
    backfilled.stand_in("a")
    backfilled.genrec("up")
    backfilled.stand_in("b")
    assert backfilled.served() == "a"

    person.goes_to(f"{ui}/assets/endpoint?view=events")
    person.clicks(MATERIALIZE)
    person.clicks("//button[.='Confirm']")
    person.reads(f"{NEWEST_EVENT}//tr[td[1][.='version']]/td[2][.='b']")
    assert backfilled.served() == "b"

    person.goes_to(f"{ui}/locations/orchestration.definitions/jobs/rollback")
    person.clicks("//a[.='Launchpad']")
    person.clicks("//button[.='Launch Run']")
    person.sees("Success")
    assert backfilled.served() == "a"
    for asset, entry in (("endpoint", "version"), ("release", "champion")):
        person.goes_to(f"{ui}/assets/{asset}?view=events")
        assert person.reads(f"{NEWEST_EVENT}//tr[td[1][.='{entry}']]/td[2]") == "a"
