"""Training/serving skew: nothing where nothing is wrong, and each thing that can go wrong is seen."""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.endpoint.checks import training_serving_skew
from assets.endpoint.skew import measure_skew, read_otherwise, skew_expectations
from assets.resources import Storage
from assets.sequences.item_rows import extend_item_rows
from assets.splits.split import SplitRule, split
from assets.training.dataset import Dataset, read_dataset, write_training_set
from assets.validation.settings import QualitySettings, SkewSettings
from assets.versions import DATASETS, releases_of
from models.artifact import save_artifact
from models.config.model import HstuConfig, ModelConfig
from models.families.registry import build
from models.interactions import Interactions
from models.manifest import Manifest
from models.merging import Merging
from storage.lake import Lake
from storage.schema import TIME
from tests.sequence_files import write_sequences

CUTOFF = datetime(2026, 1, 10, tzinfo=UTC)
LIKE = 2
VERSION, TRAINING_SET = "v1", "set-of-v1"

User = list[tuple[int, int, int]]
"""(item, hours before the cutoff, actions), oldest first."""

USUAL: dict[int, User] = {
    1: [(1, 9, 2), (2, 8, 3), (2, 7, 1), (3, 5, 2), (4, 1, 2), (5, -1, 2)],
    2: [(2, 6, 2), (1, 3, 2), (3, 2, 2)],
    3: [(4, 2, 2), (4, 1, 2), (6, -2, 1)],
    4: [(1, -3, 2)],
    5: [(3, 4, 1)],
}


def sequences(users: dict[int, User]) -> pl.DataFrame:
    def column(values: list[list[Any]], dtype: pl.DataType) -> pl.Series:
        return pl.Series(values, dtype=pl.List(dtype))

    ordered = [sorted(users[user], key=lambda step: -step[1]) for user in users]
    return pl.DataFrame(
        {
            "user_id": pl.Series(list(users), dtype=pl.Int64),
            "item_ids": column([[item for item, _, _ in user] for user in ordered], pl.Int64()),
            "timestamps": column([[CUTOFF - timedelta(hours=hours) for _, hours, _ in user] for user in ordered], TIME),
            "actions": column([[actions for *_, actions in user] for user in ordered], pl.Int32()),
        }
    )


def trained(folder: Path, users: dict[int, User], held_out: int = 2, merging: Merging | None = None) -> Dataset:
    """A version and its training set, made as the line makes them, but for the weights."""
    lake = Lake(str(folder))
    tables = {"sequences": write_sequences(folder, sequences(users))}
    catalogue = pl.DataFrame({"item_id": [1, 2, 3, 4], "day": date(2026, 1, 1)})
    extend_item_rows(lake, catalogue.lazy())
    rule = SplitRule(CUTOFF, timedelta(days=1), LIKE, held_out, hold_out_ties=True)
    written = write_training_set(
        lake.folder(DATASETS) / TRAINING_SET,
        split(lake.interactions(), rule),
        catalogue,
        None,
        half_life_days=1,
        cold_start=timedelta(0),
        validation_users=2,
        seed=0,
        merge_adjacent=merging,
    )
    dataset = read_dataset(written)
    torch.manual_seed(0)
    config = ModelConfig(width=8, max_length=4, backbone=HstuConfig(layers=1, heads=1, head_dim=8))
    manifest = Manifest(
        version=VERSION,
        created=CUTOFF,
        cutoff=CUTOFF,
        data_end=CUTOFF,
        positive_actions=["like"],
        merge_adjacent=merging,
        training_set=TRAINING_SET,
        table_versions=tables,
    )
    model = build(config, len(dataset.vocabulary), torch.from_numpy(dataset.vocabulary.trained))
    save_artifact(lake.folder("artifacts"), manifest, model, dataset.vocabulary)
    return dataset


def skew(folder: Path) -> dict[str, Any]:
    return measure_skew(Lake(str(folder)), VERSION).row(0, named=True)


STEP = st.tuples(st.integers(1, 6), st.integers(-5, 20), st.integers(1, 3))
PEOPLE = st.dictionaries(st.integers(1, 40), st.lists(STEP, min_size=1, max_size=8), min_size=1, max_size=12)


@pytest.mark.parametrize("merging", [None, "item", "kind"])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(users=PEOPLE, held_out=st.integers(0, 5))
def test_what_is_served_is_what_was_trained(
    tmp_path_factory: pytest.TempPathFactory, merging: Merging | None, users: dict[int, User], held_out: int
) -> None:
    users |= {99: [(1, 5, LIKE), (2, 3, LIKE)]}
    folder = tmp_path_factory.mktemp("lake")
    trained(folder, users, held_out, merging)
    found = skew(folder)
    assert (found["users_read_otherwise"], found["changed_share"]) == (0, 0.0)


def test_a_history_that_training_read_otherwise_is_seen(tmp_path: Path) -> None:
    dataset = trained(tmp_path, USUAL, held_out=0)
    assert skew(tmp_path)["users_read_otherwise"] == 0
    rows = dataset.histories.item_index.copy()
    rows[0] += 1
    np.save(Lake(str(tmp_path)).folder(DATASETS) / TRAINING_SET / "histories.item_index.npy", rows)
    assert skew(tmp_path)["users_read_otherwise"] == 1


def test_another_order_of_the_actions_is_no_skew(tmp_path: Path) -> None:
    """Then likes are bit 4 of the newest sequences, and bit 2 are views."""
    trained(tmp_path, USUAL, held_out=0)
    before = skew(tmp_path)
    moved = {user: [(item, hours, {1: 2, 2: 4, 3: 6}[mask]) for item, hours, mask in USUAL[user]] for user in USUAL}
    write_sequences(tmp_path, sequences(moved), ["impression", "view", "like"])
    assert skew(tmp_path) == before


def test_only_the_last_interactions_may_be_missing() -> None:
    served = Interactions.of(
        [([1, 2, 3], [1, 2, 3]), ([1, 2], [1, 2]), ([1, 2, 3], [1, 2, 3]), ([4], [1]), ([1, 2], [1, 2])]
    )
    trained = Interactions.of([([1], [1]), ([2], [2]), ([], []), ([4, 5], [1, 2]), ([1, 2], [1, 3])])
    assert read_otherwise(trained, served).tolist() == [False, True, True, True, True]
    assert read_otherwise(trained, served.take(np.arange(4))).tolist() == [True] * 5


def test_late_and_forgotten_people_change_the_past_and_new_days_do_not(tmp_path: Path) -> None:
    trained(tmp_path, USUAL)
    new = {user: [*steps, (1, -9, LIKE)] for user, steps in USUAL.items()}
    write_sequences(tmp_path, sequences(new))
    assert skew(tmp_path)["changed_share"] == 0.0
    late = {user: steps for user, steps in USUAL.items() if user != 2} | {1: [(4, 30, LIKE), *USUAL[1]]}
    write_sequences(tmp_path, sequences(late))
    found = skew(tmp_path)
    assert found["changed_share"] == pytest.approx(2 / 3)
    assert found["users_read_otherwise"] == 0


def test_distances_and_unknown_items(tmp_path: Path) -> None:
    trained(tmp_path, USUAL, held_out=0)
    found = skew(tmp_path)
    # since the cutoff: likes of 5 and 1, of which the model knows 1 alone, and a view
    assert found["unknown_item_share"] == 0.5
    # views and likes: 3 and 9 before, 1 and 2 since
    assert found["action_mix_distance"] == pytest.approx(distance([3, 9], [1, 2]))
    assert found["history_length_distance"] > 0
    write_sequences(tmp_path, sequences({1: USUAL[1][:5]}))
    nothing_new = skew(tmp_path)
    assert (nothing_new["unknown_item_share"], nothing_new["action_mix_distance"]) == (None, None)


def distance(p: list[float], q: list[float]) -> float:
    a, b = np.array(p) / sum(p), np.array(q) / sum(q)
    middle = (a + b) / 2
    return float(np.sqrt((a * np.log2(a / middle) + b * np.log2(b / middle)).sum() / 2))


def test_the_checks_of_the_endpoint(tmp_path: Path) -> None:
    trained(tmp_path, USUAL)
    write_sequences(tmp_path, sequences({1: USUAL[1]}))
    lake = Lake(str(tmp_path))
    lake.overwrite("items", pl.DataFrame({"item_id": [1]}))
    releases_of(lake).promote(VERSION, "it is the first")

    evaluated = checked(tmp_path)
    assert evaluated.keys() == {e.name for e in skew_expectations(SkewSettings())}
    assert evaluated["histories_read_as_trained"].passed
    changed = evaluated["changed_share_in_range"]
    assert (changed.passed, changed.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert changed.metadata["observed_value"].value == pytest.approx(2 / 3)
    assert evaluated["unknown_item_share_in_range"].passed
    assert (tmp_path / "data_docs" / "endpoint" / f"{VERSION}.html").is_file()


def test_without_a_training_set_the_run_goes_on_and_what_was_not_measured_is_not_green(tmp_path: Path) -> None:
    """It is deleted when a person is forgotten."""
    trained(tmp_path, USUAL)
    lake = Lake(str(tmp_path))
    lake.overwrite("items", pl.DataFrame({"item_id": [1]}))
    releases_of(lake).promote(VERSION, "it is the first")
    whole = skew(tmp_path)
    shutil.rmtree(lake.folder(DATASETS) / TRAINING_SET)
    found = skew(tmp_path)
    missing = {"users_read_otherwise": None, "history_length_distance": None}
    assert found == whole | missing
    evaluated = checked(tmp_path)
    for name, check in evaluated.items():
        unmeasured = name in {"histories_read_as_trained", "history_length_distance_in_range"}
        assert check.severity == dg.AssetCheckSeverity.WARN or not unmeasured
        assert unmeasured == str(check.description).startswith("Not measured: the champion's training set was deleted")
        assert not (unmeasured and check.passed)


def checked(root: Path) -> dict[str, dg.AssetCheckEvaluation]:
    """The checks by name, in a run that must succeed."""

    @dg.asset
    def endpoint() -> None:
        """Stands for the deployment, which the checks do not touch."""

    with dg.DagsterInstance.ephemeral(tempdir=str(root)) as instance:
        result = dg.materialize(
            [endpoint, training_serving_skew],
            instance=instance,
            resources={
                "lake": Storage(root=str(root), id_type="int64"),
                "quality": QualitySettings.model_validate({"skew": {"max_unknown_item_share": 1}}),
            },
        )
    assert result.success
    return {check.check_name: check for check in result.get_asset_check_evaluations()}
