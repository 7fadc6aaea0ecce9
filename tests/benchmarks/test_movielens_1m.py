"""The real MovieLens-1M: its counts, and what a scorer that knows nothing and a model that learned a little reach."""

from typing import cast

import pytest
import torch
from torch import Tensor, nn

from benchmarks.leave_one_out import means, ranks
from benchmarks.movielens import Ratings, hold_out, read
from benchmarks.recipes import RECIPES
from benchmarks.training_run import untrained
from models.batch import JaggedBatch
from models.config.model import ModelConfig
from models.heads.retrieval import RetrievalHead
from models.recommender import Recommender
from models.training.loop import fit
from tests.real_data import DATA, needs

FOLDER = DATA / "ml-1m"
pytestmark = needs(FOLDER / "movies.dat")


@pytest.fixture(scope="module")
def ratings() -> Ratings:
    return read(FOLDER)


class Random(nn.Module):
    """Scores by chance, each user's own."""

    config = ModelConfig(width=64, max_length=200)

    def __init__(self) -> None:
        super().__init__()
        self.head = RetrievalHead()

    def queries(self, batch: JaggedBatch) -> Tensor:
        return torch.nn.functional.normalize(torch.randn(len(batch.offsets) - 1, 64), dim=-1)

    def retrieval_vectors(self, count: int) -> Tensor:
        return torch.nn.functional.normalize(torch.randn(count + 1, 64), dim=-1)


def test_the_counts_of_the_published_protocol(ratings: Ratings) -> None:
    assert (len(ratings.histories), ratings.items, len(ratings.histories.item_index)) == (6040, 3883, 1_000_209)
    assert len(set(ratings.histories.item_index.tolist())) == 3706


def test_chance_finds_ten_of_the_movies_outside_the_window(ratings: Ratings) -> None:
    torch.manual_seed(0)
    held_out = hold_out(ratings, 1)
    candidates = 3883 - torch.from_numpy(held_out.histories.lengths).clamp(max=200).double()
    expected = (10 / candidates).mean().item()
    found = means(ranks(cast(Recommender, Random()), held_out))["hr@10"]
    assert found == pytest.approx(expected, abs=3 * (expected / len(held_out.histories)) ** 0.5)


def test_a_short_training_passes_the_smoke_mark(ratings: Ratings) -> None:
    recipe = RECIPES["base"]
    held_out = hold_out(ratings, 1)
    model = untrained(recipe, held_out.items, seed=0)
    fit(model, held_out.histories, recipe.training.model_copy(update={"epochs": 5}))
    assert means(ranks(model, held_out))["hr@10"] >= 0.18
