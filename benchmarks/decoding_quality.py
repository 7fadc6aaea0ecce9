"""What cheap decoding costs in quality: MovieLens-1M by Meta's protocol (HSTU spec section 4), equal but for that.

One run of each variant with sampled negatives and a projected head, of the first seed, is read on the second-last item
of every user. That chooses which of them meets the full softmax on the last items, over all seeds. The full softmax
with a projected head, of the first seed, tells there what the projection costs alone; the chosen one in three times the
epochs, which still take it less time than the full one its own, what they are worth.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory

import numpy as np
from rich.table import Table

from benchmarks import movielens
from benchmarks.figures import Figures, Report
from benchmarks.leave_one_out import ranks
from benchmarks.ml1m import HELD_OUT
from benchmarks.movielens import HeldOut, Ratings
from benchmarks.recipes import Recipe, small
from benchmarks.training_run import fingerprint, untrained
from models.config.losses import SampledSoftmaxConfig
from models.config.model import HstuConfig, ModelConfig
from models.config.training import TrainingConfig
from models.evaluation.intervals import bootstrap
from models.evaluation.metrics import per_user
from models.training.loop import fit

WIDTH = 128
NARROW = WIDTH // 8
METRIC = "ndcg@10"
EPOCHS, LONGER = 6, 18

FULL, PROJECTED = "full", "full, projected"
VARIANTS: dict[str, tuple[int, SampledSoftmaxConfig]] = {
    FULL: (0, SampledSoftmaxConfig(source="all")),
    PROJECTED: (NARROW, SampledSoftmaxConfig(source="all")),
    "1 %, projected": (NARROW, SampledSoftmaxConfig(negatives=1, negatives_share=0.01, shared=True)),
    "1,024, projected": (NARROW, SampledSoftmaxConfig(negatives=1024, shared=True)),
}
"""Decoding width and negatives. A hundredth of these films is 39; 1,024 is a hundredth of 100,000 items."""

CHEAP = ("1 %, projected", "1,024, projected")


def recipe_of(variant: str, smoke: bool, epochs: int = EPOCHS) -> Recipe:
    """The model and its training, in which variants differ in their decoding alone."""
    backbone = HstuConfig(layers=2, heads=2, head_dim=WIDTH // 4, dropout=0.2)
    narrow, loss = VARIANTS[variant]
    recipe = Recipe(
        model=ModelConfig(width=WIDTH, max_length=50, decoding_width=narrow, backbone=backbone),
        training=TrainingConfig(epochs=epochs, batch_size=32, learning_rate=2e-3, schedule="cosine", loss=loss),
    )
    if not smoke:
        return recipe
    recipe = small(recipe)
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"decoding_width": min(narrow, 4)})})


def run(seeds: int, data: Path | None, out: Path, smoke: bool, report: Report) -> Figures:
    """NDCG@10 of the cheap variants on the second-last items, and on the last ones beside the full softmax.

    Args:
        data: Folder of MovieLens-1M; not needed for a smoke run, which imitates one.
        out: Where the ranks of each run are kept; one that is there is not done again.
    """
    with TemporaryDirectory() as imitation:
        ratings = movielens.read(movielens.write_imitation(Path(imitation)) if smoke else data)
        folder = Path(imitation) if smoke else out / "decoding"
        chosen_by = {variant: _run(variant, 0, "validation", ratings, folder, smoke, report) for variant in CHEAP}
        cheap = max(CHEAP, key=lambda variant: chosen_by[variant].mean())
        last = {
            variant: [_run(variant, seed, "test", ratings, folder, smoke, report) for seed in range(seeds)]
            for variant in (cheap, FULL)
        }
        longer = f"{cheap}, {LONGER} epochs"
        last[longer] = [_run(cheap, 0, "test", ratings, folder, smoke, report, LONGER)]
        last[PROJECTED] = [_run(PROJECTED, 0, "test", ratings, folder, smoke, report)]
    report(_table(chosen_by, last))
    return {
        "validation": {variant: float(values.mean()) for variant, values in chosen_by.items()},
        "chosen": cheap,
        **{variant: _over_seeds(values) for variant, values in last.items()},
        "difference": _difference(last[cheap], last[FULL]),
        "difference_of_longer": _difference(last[longer], last[FULL][:1]),
        "difference_of_projection": _difference(last[PROJECTED], last[FULL][:1]),
    }


def _run(
    variant: str,
    seed: int,
    purpose: str,
    ratings: Ratings,
    folder: Path,
    smoke: bool,
    report: Report,
    epochs: int = EPOCHS,
) -> np.ndarray:
    """(B,) NDCG@10 of each user."""
    held_out, recipe = movielens.hold_out(ratings, HELD_OUT[purpose]), recipe_of(variant, smoke, epochs)
    kept = folder / fingerprint(recipe, held_out) / f"{seed}-{purpose}.npy"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, _ranks(recipe, seed, held_out, report))
    found = np.load(kept)
    values: np.ndarray = per_user(found, np.arange(len(found) + 1), (10,))[METRIC]
    report(f"{variant}, {epochs} epochs, seed {seed}, {purpose}: NDCG@10 {values.mean():.4f}")
    return values


def _ranks(recipe: Recipe, seed: int, held_out: HeldOut, report: Report) -> np.ndarray:
    model = untrained(recipe, held_out.items, seed)
    training = recipe.training.model_copy(update={"seed": seed})
    fit(
        model,
        held_out.histories,
        training,
        on_epoch=lambda told, *_: report(
            f"epoch {told.epoch}/{told.epochs}: loss {told.loss:.4f}, {told.tokens / told.seconds:,.0f} tokens/s"
        ),
    )
    return ranks(model, held_out)


def _over_seeds(values: Sequence[np.ndarray]) -> Figures:
    means = [float(some.mean()) for some in values]
    return {METRIC: fmean(means), "sd": stdev(means) if len(means) > 1 else None}


def _difference(cheap: Sequence[np.ndarray], full: Sequence[np.ndarray]) -> list[float]:
    """What the cheap one has more: the mean over users of their means over seeds, and its interval."""
    (interval,) = bootstrap((np.mean(cheap, axis=0) - np.mean(full, axis=0))[:, None])
    return [interval.mean, interval.low, interval.high]


def _table(chosen_by: Mapping[str, np.ndarray], last: Mapping[str, Sequence[np.ndarray]]) -> Table:
    table = Table("decoding", "second-last items, seed 0", "last items, mean ± sd", title="MovieLens-1M, NDCG@10")
    for variant in dict.fromkeys((*VARIANTS, *last)):
        told = ""
        if variant in last:
            found = _over_seeds(last[variant])
            told = f"{found[METRIC]:.4f}" + ("" if found["sd"] is None else f" ± {found['sd']:.4f}")
        table.add_row(variant, f"{chosen_by[variant].mean():.4f}" if variant in chosen_by else "", told)
    cheap = next(variant for variant in last if variant in CHEAP)
    mean, low, high = _difference(last[cheap], last[FULL])
    table.caption = f"{cheap} less {FULL}, per user: {mean:+.4f} [{low:+.4f}, {high:+.4f}]"
    return table
