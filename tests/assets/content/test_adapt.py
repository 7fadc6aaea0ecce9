import numpy as np
import polars as pl
import pytest
import torch

from assets.content.adapt import Pairs, Part, adapt, part_of
from assets.content.encoders import silent
from assets.content.settings import AdaptSettings, ImageSettings
from assets.content.tower import build_trainable

DIMS = 16


def made_up(n: int, seed: int, blank: bool = False) -> Pairs:
    """Images of flat colour; the text vector is a fixed random projection of the colour, so it can be learned."""
    generator = np.random.default_rng(seed)
    colours = generator.integers(0, 256, (n, 3))
    projection = np.random.default_rng(99).normal(size=(3, DIMS))
    texts = (colours / 127.5 - 1) @ projection
    texts = (texts / np.linalg.norm(texts, axis=1, keepdims=True)).astype(np.float32)
    pixels = np.broadcast_to(colours[:, :, None, None] * (not blank), (n, 3, 16, 16)).astype(np.uint8)
    return Pairs(np.ascontiguousarray(pixels), texts)


def world(blank: bool = False) -> dict[Part, Pairs]:
    return {
        "train": made_up(256, 1, blank),
        "validation": made_up(64, 2, blank),
        "holdout": made_up(60, 3, blank),
    }


@pytest.fixture
def settings(tiny_settings: ImageSettings) -> ImageSettings:
    adapt_settings = AdaptSettings(epochs=8, batch=32, learning_rate=5e-3, patch_dropout=0.0, patience=3)
    return tiny_settings.model_copy(update={"adapt": adapt_settings})


def test_it_learns_what_the_images_show(settings: ImageSettings) -> None:
    lines: list[str] = []
    tower = build_trainable(settings, DIMS, "key")
    report = adapt(tower, world(), settings, lines.append)
    assert report.recall.candidates == 60
    assert report.recall.p_value < 1e-4
    assert report.epochs[report.kept - 1].validation_loss < -0.5
    assert report.kept == 1 + int(np.argmin([epoch.validation_loss for epoch in report.epochs]))
    assert len(lines) == len(report.epochs)
    assert "images/s" in lines[0]


def test_images_that_show_nothing_do_not_beat_chance_and_training_stops_early(settings: ImageSettings) -> None:
    tower = build_trainable(settings, DIMS, "key")
    report = adapt(tower, world(blank=True), settings, silent)
    assert report.recall.p_value > 0.01
    assert report.epochs[report.kept - 1].validation_loss > -0.05


def test_the_kept_epoch_is_what_the_tower_holds(settings: ImageSettings) -> None:
    longer = AdaptSettings(epochs=3, batch=32, learning_rate=0.5, patch_dropout=0.0, patience=3)
    wild = settings.model_copy(update={"adapt": longer})
    tower = build_trainable(wild, DIMS, "key")
    parts = world()
    report = adapt(tower, parts, wild, silent)
    held = tower.embed(parts["holdout"].pixels, wild)
    assert report.recall.at_1 == pytest.approx(_recall_at_1(held, parts["holdout"].texts))


def _recall_at_1(images: np.ndarray, texts: np.ndarray) -> float:
    return float(np.mean((images @ texts.T).argmax(axis=1) == np.arange(len(images))))


def test_training_is_reproducible(settings: ImageSettings) -> None:
    short = settings.model_copy(update={"adapt": settings.adapt.model_copy(update={"epochs": 2})})
    results = []
    for noise in (0, 1):
        torch.manual_seed(noise)
        tower = build_trainable(short, DIMS, "key")
        results.append([epoch.validation_loss for epoch in adapt(tower, world(), short, silent).epochs])
    assert results[0] == results[1]


def test_too_few_pairs_are_an_error_that_names_the_part(settings: ImageSettings) -> None:
    tower = build_trainable(settings, DIMS, "key")
    with pytest.raises(ValueError, match=r"1 \(image, text\) pairs fall into the validation part"):
        adapt(tower, world() | {"validation": made_up(1, 2)}, settings, silent)


@pytest.mark.parametrize("dtype", [pl.Int64, pl.String])
def test_parts_are_stable_and_of_the_configured_size(dtype: type[pl.DataType]) -> None:
    settings = AdaptSettings(holdout=0.2, validation=0.1)
    ids = pl.DataFrame({"item_id": pl.Series(range(20_000)).cast(dtype)})
    parts = ids.with_columns(part_of("item_id", settings).alias("part"))
    shares = dict(parts.group_by("part").agg(pl.len() / 20_000).iter_rows())
    assert shares == pytest.approx({"holdout": 0.2, "validation": 0.1, "train": 0.7}, abs=0.015)
    assert parts.reverse()["part"].to_list() == parts["part"].to_list()[::-1]
    alone = ids[7:8].select(part_of("item_id", settings)).item()
    assert alone == parts["part"][7]
