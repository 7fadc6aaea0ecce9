"""Variants that share a picture or a text never lie on two sides of the split."""

import io

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.sparse.csgraph import connected_components

from assets.content.settings import AdaptSettings
from assets.content.split import ALIKE, PARTS, Split, families, same_picture, split
from tests.assets.content.conftest import encoded

SIDE = 32


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 3, SIDE, SIDE), np.uint8)


def pairs_of(pictures: list[int], texts: list[int]) -> pl.DataFrame:
    """Each picture is saved in another way for each pair, so only its pixels tell that it is one."""
    return pl.DataFrame(
        {
            "content_hash": [f"pair {hash((7, picture, text))}" for picture, text in zip(pictures, texts, strict=True)],
            "image_hash": [f"{picture} for {text}" for picture, text in zip(pictures, texts, strict=True)],
            "text_hash": [f"text {text}" for text in texts],
        }
    )


def split_of(
    pictures: list[int], texts: list[int], chosen: AdaptSettings, earlier: pl.DataFrame | None = None
) -> Split:
    return split(pairs_of(pictures, texts), noise(max(pictures) + 1)[pictures], chosen, earlier)


def parts_of(pictures: list[int], texts: list[int], chosen: AdaptSettings) -> dict[str, set[int]]:
    return {part: set(rows.tolist()) for part, rows in split_of(pictures, texts, chosen).rows.items()}


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
    backwards = split_of(list(range(500))[::-1], list(range(500))[::-1], chosen)
    assert {499 - row for row in backwards.rows["holdout"].tolist()} == parts["holdout"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sets(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=30), min_size=2, max_size=4
    )
)
def test_what_a_night_trained_on_is_held_out_by_no_later_one(nights: list[set[tuple[int, int]]]) -> None:
    """Pairs come and go, and some join families that lay in different parts."""
    chosen = AdaptSettings(holdout=0.3, validation=0.2)
    earlier: list[pl.DataFrame] = []
    trained_on: dict[str, set[int]] = {"picture": set(), "text": set()}
    for drawn in nights:
        pictures, texts = (list(side) for side in zip(*sorted(drawn), strict=True))
        found = split_of(pictures, texts, chosen, pl.concat(earlier) if earlier else None)
        for rows in (found.rows["holdout"], found.rows["validation"]):
            # A picture that was away in between is known by its file alone, which is another for another text.
            assert not {texts[row] for row in rows} & trained_on["text"]
            assert not {(pictures[row], texts[row]) for row in rows} & trained_on_pairs(earlier)
        parts = pl.Series("part", [PARTS[place] for place in found.part], pl.String)
        earlier.append(pairs_of(pictures, texts).with_columns(parts))
        trained_on["text"] |= {texts[row] for row in range(len(texts)) if found.part[row] == PARTS.index("train")}


def trained_on_pairs(earlier: list[pl.DataFrame]) -> set[tuple[int, int]]:
    rows = [pair for night in earlier for pair in night.filter(part="train")["image_hash"].str.split(" for ").to_list()]
    return {(int(picture), int(text)) for picture, text in rows}


def test_a_catalogue_that_grows_keeps_what_it_held_out() -> None:
    chosen = AdaptSettings(holdout=0.2, validation=0.1)
    first = split_of(list(range(200)), list(range(200)), chosen)
    parts = pl.Series("part", [PARTS[place] for place in first.part])
    earlier = pairs_of(list(range(200)), list(range(200))).with_columns(parts)
    grown = split_of(list(range(400)), list(range(400)), chosen, earlier)
    assert grown.part[:200].tolist() == first.part.tolist()
    assert {part: len(rows) for part, rows in grown.rows.items()} == {"holdout": 80, "validation": 40, "train": 280}


def test_a_new_pair_that_joins_two_families_brings_both_into_training() -> None:
    chosen = AdaptSettings(holdout=0.2, validation=0.2)
    first = split_of(list(range(20)), list(range(20)), chosen)
    parts = pl.Series("part", [PARTS[place] for place in first.part])
    earlier = pairs_of(list(range(20)), list(range(20))).with_columns(parts)
    held, trained = first.rows["holdout"][0], first.rows["train"][0]
    joined = split_of([*range(20), held], [*range(20), trained], chosen, earlier)
    assert {held, trained, 20} <= set(joined.rows["train"].tolist())
    assert joined.family[held] == joined.family[trained] == joined.family[20]


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


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from([1.0, 3.0, 30.0]), st.sampled_from([1, 40, 300]))
def test_no_two_pictures_that_look_alike_are_missed(seed: int, distinct: int, spread: float, n: int) -> None:
    draws = np.random.default_rng(seed)
    grounds = draws.normal(128, spread, (distinct, 3, 8, 8))[draws.integers(0, distinct, n)]
    pixels = (grounds + draws.normal(0, 1, grounds.shape)).clip(0, 255).astype(np.uint8)
    flat = pixels.reshape(n, -1).astype(np.int64)
    near = ((flat[:, None] - flat[None]) ** 2).mean(axis=2) <= ALIKE**2
    _, expected = connected_components(near)
    label = same_picture(pixels)
    assert np.array_equal(label[:, None] == label, expected[:, None] == expected)


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
