"""A counter that starts over each day, or a constant, in place of request ids: four clicks on four days stay four."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from assets.events.assets import events
from assets.items.assets import items
from assets.partitions import partitions
from assets.resources import Storage
from assets.sequences.assets import sequences
from assets.sources.assets import raw_events, raw_items
from assets.sources.settings import open_source
from assets.validation.settings import QualitySettings
from storage.lake import Lake
from tests.cases.folder import cases

FIRST = partitions.start.date()


@pytest.mark.parametrize(("name", "passes"), [("without", True), ("with", False), ("constant", False)])
def test_no_click_is_lost_and_a_warning_says_why(name: str, passes: bool, tmp_path: Path) -> None:
    folder = cases("request_ids")
    tables = {"events": {"path": f"{folder}/{name}.csv"}, "items": {"path": f"{folder}/items.csv"}}
    result = dg.materialize(
        [raw_events, raw_items, items, events, sequences],
        resources={
            "lake": Storage(root=str(tmp_path), id_type="string"),
            "source": open_source({"kind": "files"} | tables, landing=str(tmp_path), first_day=FIRST),
            "quality": QualitySettings(),
        },
        tags={
            "dagster/asset_partition_range_start": FIRST.isoformat(),
            "dagster/asset_partition_range_end": (FIRST + timedelta(days=3)).isoformat(),
        },
    )
    found = Lake(str(tmp_path)).sequences().collect()
    assert found["item_ids"].list.len().to_list() == [8] * 11
    (warned,) = [c for c in result.get_asset_check_evaluations() if c.check_name == "reused_request_share_in_range"]
    assert warned.passed == passes
