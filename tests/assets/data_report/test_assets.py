"""The asset as Dagster materializes it: a page to look at, checks, and the end of a run that could learn nothing."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from assets.content.settings import ContentSettings
from assets.data_report.assets import SETTINGS_FIT, TRAINABLE, data_report
from assets.release.settings import ReleaseSettings
from assets.resources import Storage
from assets.sources.settings import open_source
from assets.training.set_assets import training_set
from assets.training.set_store import read_record
from assets.training.training_set import TrainingSetRecord
from assets.validation.settings import QualitySettings
from assets.versions import DATASETS, list_sets
from storage.lake import Lake
from tests.assets.sequences.test_build import ACTIONS_DECLARED, FIRST, events, put, update
from tests.assets.training.test_set_assets import day, from_data, write_catalogue
from tests.assets.training.test_set_assets import lake as lake_of_three_days

lake = lake_of_three_days


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def run(lake: Lake, instance: dg.DagsterInstance, **settings: Any) -> dg.ExecuteInProcessResult:
    source = {"kind": "files", "events": {"path": "unread.csv"}}
    return dg.materialize(
        [data_report, training_set],
        instance=instance,
        resources={
            "lake": Storage(root=lake.root),
            "source": open_source(source, lake.root, FIRST),
            "quality": settings.get("quality", QualitySettings(actions=ACTIONS_DECLARED)),
            "content": ContentSettings(),
            "set_settings": from_data(settings.get("training")),
            "release": settings.get("release", ReleaseSettings(min_users=1)),
        },
        raise_on_error=False,
    )


def told(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node("data_report")
    return {name: entry.value for name, entry in event.metadata.items()}


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    of_report = (c for c in result.get_asset_check_evaluations() if c.asset_key == data_report.key)
    return {check.check_name: check for check in of_report}


def test_the_page_shows_numbers_tables_and_pictures_and_as_many_cases_as_the_training_set_has(
    lake: Lake, instance: dg.DagsterInstance
) -> None:
    result = run(lake, instance)
    shown = told(result)
    assert (shown["rows"], shown["users"], shown["interactions"], shown["items_chosen"]) == (72, 12, 72, 9)
    assert "| days | 2026-01-01 to 2026-01-03: 3 with events of 3 |" in shown["report"]
    for picture in ("events_a_day", "history_lengths"):
        assert "data:image/png;base64," in shown[picture]
    (name,) = list_sets(lake.folder(DATASETS))
    record = read_record(lake.folder(DATASETS) / name, TrainingSetRecord)
    assert {f"cases_{protocol}": cases for protocol, cases in record.cases.items()} == {
        name: value for name, value in shown.items() if name.startswith("cases_")
    }
    assert 0 <= shown["popularity_hit_rate_time"] <= 1
    assert checks(result)[TRAINABLE].passed
    again = run(lake, instance)
    assert told(again) == shown


def test_what_does_not_fit_is_a_warning_and_the_run_goes_on(lake: Lake, instance: dg.DagsterInstance) -> None:
    rules = QualitySettings(actions=(*ACTIONS_DECLARED, "wish"))
    result = run(lake, instance, quality=rules)
    found = checks(result)
    assert (found[TRAINABLE].passed, found[SETTINGS_FIT].passed) == (True, False)
    assert found[SETTINGS_FIT].severity == dg.AssetCheckSeverity.WARN
    assert "no row has 'impression', 'play', 'wish'" in told(result)["what_does_not_fit"]
    assert len(list_sets(lake.folder(DATASETS))) == 1


def test_where_nothing_can_be_learned_the_run_ends_with_a_sentence_and_a_page(
    lake: Lake, instance: dg.DagsterInstance
) -> None:
    result = run(lake, instance, training={"positive_actions": ["play"]})
    assert not result.success
    assert not checks(result)[TRAINABLE].passed
    (failure,) = [e for e in result.all_node_events if e.event_type == dg.DagsterEventType.STEP_FAILURE]
    failed = failure.step_failure_data.user_failure_data
    assert failed is not None
    assert failed.description == (
        "nothing is trained: training.positive_actions: no row has 'play', the log has click (72): "
        "write those that tell of interest"
    )
    assert told(result)["rows"] == 72
    assert list_sets(lake.folder(DATASETS)) == []


def test_an_empty_log_ends_the_run_with_a_sentence(tmp_path: Any, instance: dg.DagsterInstance) -> None:
    lake = Lake(str(tmp_path / "lake"))
    put(lake, events([]), 0)
    update(lake)
    write_catalogue(lake)
    result = run(lake, instance)
    assert not result.success
    assert "there is no row from" in str(checks(result)[TRAINABLE].description)
    put(lake, day(0), 0)
    update(lake)
    assert run(lake, instance).success
