"""Variants that share a picture or a text never lie on two sides of the split."""

import io

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from assets.content.settings import AdaptSettings
from assets.content.split import families, same_picture, split
from tests.assets.content.conftest import encoded

SIDE = 32


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 3, SIDE, SIDE), np.uint8)


def pairs_of(texts: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"content_hash": [f"pair {i}" for i in range(len(texts))], "text_hash": texts})


def parts_of(pictures: list[int], texts: list[int], chosen: AdaptSettings) -> dict[str, set[int]]:
    found = split(pairs_of([f"text {text}" for text in texts]), noise(max(pictures) + 1)[pictures], chosen)
    return {part: set(rows.tolist()) for part, rows in found.items()}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=80), st.floats(0.05, 0.45))
def test_nothing_held_out_was_seen_and_held_out_pairs_are_independent(
    drawn: list[tuple[int, int]], holdout: float
) -> None:
    pictures, texts = (list(side) for side in zip(*drawn, strict=True))
    parts = parts_of(pictures, texts, AdaptSettings(holdout=holdout, validation=0.2))
    assert sum(map(len, parts.values())) == len(set.union(*parts.values()))
    for what in (pictures, texts):
        shown = {part: [what[row] for row in rows] for part, rows in parts.items()}
        assert not set(shown["train"]) & {*shown["validation"], *shown["holdout"]}
        for part in ("validation", "holdout"):
            assert len(set(shown[part])) == len(shown[part])
        assert not set(shown["validation"]) & set(shown["holdout"])
    assert len(parts["holdout"]) <= holdout * len(drawn)


def test_parts_have_the_configured_size_and_do_not_depend_on_the_order() -> None:
    chosen = AdaptSettings(holdout=0.2, validation=0.1)
    parts = parts_of(list(range(500)), list(range(500)), chosen)
    assert {part: len(rows) for part, rows in parts.items()} == {"holdout": 100, "validation": 50, "train": 350}
    backwards = split(pairs_of([f"text {i}" for i in range(500)]).reverse(), noise(500)[::-1].copy(), chosen)
    assert {499 - row for row in backwards["holdout"].tolist()} == parts["holdout"]


def test_a_picture_that_stands_for_most_items_is_trained_on() -> None:
    parts = parts_of([0] * 60 + list(range(1, 41)), list(range(100)), AdaptSettings(holdout=0.1, validation=0.1))
    assert set(range(60)) <= parts["train"]
    assert (len(parts["holdout"]), len(parts["validation"])) == (10, 10)


@pytest.mark.parametrize(("pictures", "texts"), [([0] * 50, list(range(50))), (list(range(50)), [0] * 50)])
def test_one_picture_or_one_text_for_all_holds_nothing_out(pictures: list[int], texts: list[int]) -> None:
    parts = parts_of(pictures, texts, AdaptSettings())
    assert {part: len(rows) for part, rows in parts.items()} == {"holdout": 0, "validation": 0, "train": 50}


def test_a_picture_saved_or_resized_again_is_the_same_picture() -> None:
    def pixels(image: Image.Image) -> np.ndarray:
        return np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR)).transpose(2, 0, 1)

    def variants(seed: int) -> list[Image.Image]:
        drawn = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)
        image = Image.fromarray(drawn).resize((160, 120), Image.Resampling.BICUBIC)
        saved = [encoded(image, "JPEG", quality=60), encoded(image, "WEBP", quality=80), encoded(image)]
        return [image, image.resize((320, 240)), *(Image.open(io.BytesIO(content)) for content in saved)]

    shown = [variants(seed) for seed in range(6)]
    labels = same_picture(np.stack([pixels(image) for images in shown for image in images])).reshape(6, -1)
    assert all(len(set(row)) == 1 for row in labels.tolist())
    assert len(set(labels[:, 0].tolist())) == 6


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
def test_families_are_closed(rows: list[tuple[int, int]]) -> None:
    one, other = (np.array(side) for side in zip(*rows, strict=True))
    found = families(one, other)
    closed = list(range(len(rows)))
    for _ in rows:
        closed = [
            min(closed[j] for j in range(len(rows)) if j == i or one[i] == one[j] or other[i] == other[j])
            for i in range(len(rows))
        ]
    assert [a == b for a in found for b in found] == [a == b for a in closed for b in closed]
