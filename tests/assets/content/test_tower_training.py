import numpy as np
import pytest
import torch

from assets.content.encoders import silent
from assets.content.recall import Recall
from assets.content.settings import AdaptSettings, ImageSettings
from assets.content.split import Part
from assets.content.tower import build_trainable
from assets.content.tower_training import AdaptReport, Pairs, adapt

DIMS = 16


def made_up(n: int, seed: int, blank: bool = False) -> Pairs:
    """Images of flat colour; the text vector is a fixed random projection of the colour, so it can be learned."""
    generator = np.random.default_rng(seed)
    colours = generator.integers(0, 256, (n, 3))
    projection = np.random.default_rng(99).normal(size=(3, DIMS))
    texts = (colours / 127.5 - 1) @ projection
    texts = (texts / np.linalg.norm(texts, axis=1, keepdims=True)).astype(np.float32)
    pixels = np.broadcast_to(colours[:, :, None, None] * (not blank), (n, 3, 16, 16)).astype(np.uint8)
    return Pairs(np.ascontiguousarray(pixels), texts, np.arange(n))


def recall_of(report: AdaptReport) -> Recall:
    assert report.recall is not None
    return report.recall


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
    assert recall_of(report).candidates == report.held_out == 60
    assert recall_of(report).p_value < 1e-4
    assert report.epochs[report.kept - 1].validation_loss < -0.5
    assert report.kept == 1 + int(np.argmin([epoch.validation_loss for epoch in report.epochs]))
    assert len(lines) == len(report.epochs)
    assert "images/s" in lines[0]


def test_images_that_show_nothing_do_not_beat_chance_and_training_stops_early(settings: ImageSettings) -> None:
    tower = build_trainable(settings, DIMS, "key")
    report = adapt(tower, world(blank=True), settings, silent)
    assert recall_of(report).p_value > 0.01
    assert report.epochs[report.kept - 1].validation_loss > -0.05


def test_the_kept_epoch_is_what_the_tower_holds(settings: ImageSettings) -> None:
    longer = AdaptSettings(epochs=3, batch=32, learning_rate=0.5, patch_dropout=0.0, patience=3)
    wild = settings.model_copy(update={"adapt": longer})
    tower = build_trainable(wild, DIMS, "key")
    parts = world()
    report = adapt(tower, parts, wild, silent)
    held = tower.embed(parts["holdout"].pixels, wild)
    assert recall_of(report).at_1 == pytest.approx(_recall_at_1(held, parts["holdout"].texts))


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


@pytest.mark.parametrize("part", ["train", "validation"])
def test_too_few_families_to_train_or_to_stop_are_an_error(settings: ImageSettings, part: Part) -> None:
    tower = build_trainable(settings, DIMS, "key")
    many = made_up(40, 2)
    for few in (made_up(1, 2), Pairs(many.pixels, many.texts, np.zeros(40, np.int64))):
        with pytest.raises(ValueError, match="at least 2 families"):
            adapt(tower, world() | {part: few}, settings, silent)


def test_training_takes_pairs_of_one_family_for_no_negatives(settings: ImageSettings) -> None:
    """Each pair is there three times, and nothing tells it from itself."""
    thrice, few = np.repeat(np.arange(32), 3), made_up(32, 1)
    losses = []
    for family in (thrice, np.arange(96)):
        train = Pairs(few.pixels[thrice], few.texts[thrice], family)
        report = adapt(build_trainable(settings, DIMS, "key"), world() | {"train": train}, settings, silent)
        losses.append(report.epochs[-1].train_loss)
    assert losses[0] < losses[1] - 0.2


def test_a_handful_of_held_out_pairs_is_no_measurement(settings: ImageSettings) -> None:
    short = settings.model_copy(update={"adapt": settings.adapt.model_copy(update={"epochs": 1})})
    tower = build_trainable(short, DIMS, "key")
    report = adapt(tower, world() | {"holdout": made_up(9, 3)}, short, silent)
    assert report.recall is None
    assert report.held_out == 9
