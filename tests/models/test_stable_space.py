"""Vectors of two releases in one space: products stay, bases and trainings do not matter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.config.model import ModelConfig
from models.space import built_otherwise
from models.stable_space import Maps, RankDeficient, canonical, change_of_scores, gram, mapped, mean_cosine, rotation

WIDTHS, SEEDS = st.integers(2, 12), st.integers(0, 2**32 - 1)


def vectors(seed: int, width: int, count: int = 60, skew: float = 2.0) -> np.ndarray:
    """Of unequal spread, none of it in the direction of an axis."""
    random = np.random.default_rng(seed)
    basis = np.linalg.qr(random.normal(size=(width, width)))[0]
    return random.normal(size=(count, width)) * np.logspace(0, skew, width) @ basis


def basis(seed: int, width: int) -> np.ndarray:
    """Invertible, not orthogonal."""
    random = np.random.default_rng(seed)
    left, right = (np.linalg.qr(random.normal(size=(width, width)))[0] for _ in range(2))
    return left * random.uniform(0.2, 5, width) @ right


def canonical_of(items: np.ndarray, users: np.ndarray) -> Maps:
    return canonical(gram([items], items.shape[1]), gram(np.array_split(users, 3), users.shape[1]))


@given(SEEDS, WIDTHS)
def test_products_are_kept_and_both_sides_have_the_same_moments(seed: int, width: int) -> None:
    items, users = vectors(seed, width), vectors(seed + 1, width, 90)
    maps = canonical_of(items, users)
    assert change_of_scores(items, users, maps, np.float64) < 1e-10
    turned = maps.turned(np.linalg.qr(basis(seed + 2, width))[0])
    assert change_of_scores(items, users, turned, np.float64) < 1e-10
    moments = [gram([side @ by], width) for side, by in ((items, maps.items), (users, maps.users))]
    scale = np.abs(moments[0]).max()
    np.testing.assert_allclose(moments[0] / scale, np.diag(np.diag(moments[0])) / scale, atol=1e-8)
    np.testing.assert_allclose(moments[0] / scale, moments[1] / scale, atol=1e-8)


@given(SEEDS, WIDTHS)
def test_any_basis_ends_in_the_same_vectors(seed: int, width: int) -> None:
    """As does a model that learned the same in another basis, once it is turned towards the first."""
    items, users, change = vectors(seed, width), vectors(seed + 1, width), basis(seed + 2, width)
    yesterday = items @ canonical_of(items, users).items
    other_items, other_users = items @ change, users @ np.linalg.inv(change).T
    maps = canonical_of(other_items, other_users)
    common = np.arange(0, len(items), 2)
    turned = maps.turned(
        rotation(mapped(other_items[common], maps.items, 7), mapped(yesterday[common], np.eye(width), 7))
    )
    np.testing.assert_allclose(other_items @ turned.items, yesterday, atol=1e-6 * np.abs(yesterday).max())
    assert mean_cosine([other_items @ turned.items], [yesterday]) == pytest.approx(1)
    # Without any of this they have nothing in common that the next night would have, too.
    assert not np.allclose(other_items, yesterday, atol=1e-2 * np.abs(yesterday).max())


@given(SEEDS, WIDTHS, st.floats(0, 1))
def test_the_turn_is_orthogonal_and_none_is_closer(seed: int, width: int, noise: float) -> None:
    reference = vectors(seed, width, skew=0.5)
    turn = np.linalg.qr(basis(seed + 1, width))[0]
    moved = (reference + noise * vectors(seed + 3, width, skew=0.5)) @ turn.T
    found = rotation([moved], [reference])
    np.testing.assert_allclose(found.T @ found, np.eye(width), atol=1e-12)
    assert np.linalg.norm(moved @ found - reference) <= np.linalg.norm(moved @ turn - reference) + 1e-9
    if not noise:
        np.testing.assert_allclose(found, turn, atol=1e-9)


@pytest.mark.parametrize("side", ["item", "user"])
@pytest.mark.parametrize("count", [0, 1, 4])
def test_what_does_not_fill_the_space_is_refused(side: str, count: int) -> None:
    few, many = vectors(0, 5, count), vectors(1, 5)
    items, users = (few, many) if side == "item" else (many, few)
    with pytest.raises(RankDeficient, match=f"the {side} vectors fill {count} of 5 dimensions"):
        canonical_of(items, users)
    with pytest.raises(RankDeficient, match="common items"):
        rotation(mapped(few, np.eye(5)), mapped(vectors(2, 5, count), np.eye(5)))


def test_a_direction_of_rounding_errors_is_none() -> None:
    flat = (vectors(0, 5)[:, :4] @ vectors(3, 5, 4)).astype(np.float32)
    with pytest.raises(RankDeficient, match="fill 4 of 5"):
        canonical_of(flat, vectors(1, 5))


def test_cosines_of_nothing_are_zero_and_lengths_do_not_count() -> None:
    some = np.array([[3.0, 4.0], [0.0, 0.0]])
    assert mean_cosine([some], [7 * some]) == pytest.approx(0.5)
    assert change_of_scores(some[:0], some, Maps.identity(2)) == 0.0


def test_another_encoder_of_content_is_no_other_space_and_a_gate_is_one() -> None:
    """Both models have vectors of one width, which one turn takes into each other."""

    def model(encoder: str, gate: str = "none") -> ModelConfig:
        items = {"content_dim": 3, "gate": gate, "modalities": {"text": {"width": 3, "encoder": encoder}}}
        return ModelConfig.model_validate({"items": items})

    assert built_otherwise(model("mini"), model("maxi")) == []
    assert built_otherwise(model("mini", "age"), model("mini")) == ["items.gate is age, not none"]
