from pathlib import Path

import pytest

from benchmarks.movielens import HeldOut, hold_out, read, write_imitation
from benchmarks.recipes import RECIPES, Recipe, small
from benchmarks.training_run import Reading, best, fingerprint, readings
from models.attention import use_backend

RECIPE = small(RECIPES["base"])


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> HeldOut:
    return hold_out(read(write_imitation(tmp_path_factory.mktemp("data") / "ml")), 1)


def figures(taken: list[Reading]) -> list[tuple[int, float, dict[str, float]]]:
    return [(reading.epoch, reading.loss, reading.figures) for reading in taken]


def run(recipe: Recipe, held_out: HeldOut, folder: Path, stop_after: int | None = None) -> list[Reading]:
    with use_backend("reference"):
        return readings(recipe, 0, held_out, folder, print, enough=lambda reading: reading.epoch == stop_after)


def test_an_interrupted_run_goes_on_where_it_stopped(held_out: HeldOut, tmp_path: Path) -> None:
    whole = run(RECIPE, held_out, tmp_path / "whole")
    assert [reading.epoch for reading in whole] == [1, 2, 3]

    run(RECIPE, held_out, tmp_path / "cut", stop_after=2)
    # A reading without its checkpoint is of an epoch that must be done again.
    with (tmp_path / "cut" / "readings.jsonl").open("a") as file:
        file.write('{"epoch": 3, "loss": 0.0, "training_seconds": 0.0, "figures": {}}\n')
    assert figures(run(RECIPE, held_out, tmp_path / "cut")) == figures(whole)


def test_a_finished_run_is_read_not_repeated(held_out: HeldOut, tmp_path: Path) -> None:
    first = run(RECIPE, held_out, tmp_path)
    assert run(RECIPE, held_out, tmp_path) == first


def test_the_last_epoch_is_always_read(held_out: HeldOut, tmp_path: Path) -> None:
    sparse = RECIPE.model_copy(update={"evaluate_every": 2})
    assert [reading.epoch for reading in run(sparse, held_out, tmp_path)] == [2, 3]


def test_other_recipes_have_other_fingerprints(held_out: HeldOut) -> None:
    assert fingerprint(RECIPE, held_out) == fingerprint(RECIPE, held_out)
    assert fingerprint(RECIPE, held_out) != fingerprint(small(RECIPES["large"]), held_out)


def test_the_best_is_the_earliest_with_the_highest_ndcg() -> None:
    taken = [Reading(epoch, 0.0, 0.0, {"ndcg@10": value}) for epoch, value in ((1, 0.1), (2, 0.3), (3, 0.3))]
    assert best(taken).epoch == 2
