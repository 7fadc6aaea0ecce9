import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.objectives import sampled_softmax as module
from models.objectives.sampled_softmax import sampled_softmax
from tests.models.gradients import gradient


def unit(seed: int, *shape: int) -> Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=-1)


def leaves(width: int, positions: int, distinct: int, seed: int = 0) -> list[Tensor]:
    """States, positives and distinct negatives that gather gradients."""
    rows = (positions, positions, distinct)
    return [unit(seed + part, count, width).requires_grad_() for part, count in enumerate(rows)]


def written_out(
    states: Tensor, positives: Tensor, negatives: Tensor, drawn: list[list[int]], own: list[int], temperature: float
) -> list[Tensor]:
    """The loss of every position by its definition, one cosine after the other; `drawn` names rows of `negatives`."""
    terms = []
    for place, state in enumerate(states):
        seen = [negatives[row] for row in drawn[place] if row != own[place]]
        logits = torch.stack([state @ vector / temperature for vector in [positives[place], *seen]])
        terms.append(logits.logsumexp(0) - logits[0])
    return terms


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    positions, distinct, negatives = draw(st.integers(1, 9)), draw(st.integers(1, 6)), draw(st.integers(1, 7))
    draws = st.lists(st.integers(0, distinct - 1), min_size=negatives, max_size=negatives)
    return {
        "seed": draw(st.integers(0, 1000)),
        "drawn": draw(st.lists(draws, min_size=1, max_size=positions)),
        "distinct": distinct,
        "own": draw(st.lists(st.integers(-1, distinct - 1), min_size=positions, max_size=positions)),
        "temperature": draw(st.sampled_from([0.01, 0.05, 1.0])),
        "chunk": draw(st.sampled_from([1, 8, 20, 1000])),
    }


@settings(max_examples=60, deadline=None)
@given(problem=problems(), shared=st.booleans())
def test_equals_the_definition_written_out_and_so_does_its_gradient(problem: dict[str, Any], shared: bool) -> None:
    own, distinct = problem["own"], problem["distinct"]
    drawn = problem["drawn"][:1] if shared else problem["drawn"]
    run = math.ceil(len(own) / len(drawn))
    mine, theirs = (leaves(5, len(own), distinct, problem["seed"]) for _ in range(2))
    draws = torch.bincount(torch.tensor(drawn[0]), minlength=distinct) if shared else torch.tensor(drawn)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(module.CHUNK, "cpu", problem["chunk"])
        loss = sampled_softmax(mine[0], mine[1], mine[2], draws, torch.tensor(own), problem["temperature"])
    of_position = [drawn[place // run] for place in range(len(own))]
    terms = written_out(theirs[0], theirs[1], theirs[2], of_position, own, problem["temperature"])
    expected = torch.stack(terms).mean()
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    for ours, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(ours.grad, torch.zeros_like(ours) if other.grad is None else other.grad)


@pytest.mark.parametrize("draws", [torch.tensor([2, 0, 1, 3]), torch.tensor([[0, 0], [1, 3], [3, 2]])])
def test_gradcheck(draws: Tensor) -> None:
    own, weights = torch.tensor([-1, 3, 0]), torch.tensor([1.0, 0.5, 2.0])

    def loss(states: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        return 7 * sampled_softmax(states, positives, negatives, draws, own, 0.2, weights)

    assert torch.autograd.gradcheck(loss, leaves(4, 3, 4))


@pytest.mark.parametrize("temperature", [0.001, 0.05, 1.0])
@pytest.mark.parametrize("draws", [torch.tensor([7]), torch.zeros(2, 7, dtype=torch.int64)])
def test_known_losses(draws: Tensor, temperature: float) -> None:
    state = unit(1, 1, 4).float()
    states = state.expand(2, 4)
    all_hits = sampled_softmax(states, states, state, draws, torch.tensor([0, 0]), temperature)
    ties = sampled_softmax(states, states, state, draws, torch.tensor([-1, -1]), temperature)
    # Cosine 1 for the positive and -1 for all seven, or the other way round: the logits end at 1 / temperature.
    best = sampled_softmax(states, states, -state, draws, torch.tensor([-1, -1]), temperature)
    worst = sampled_softmax(states, -states, state, draws, torch.tensor([-1, -1]), temperature)
    assert all_hits.item() == 0
    assert ties.item() == pytest.approx(math.log(8), rel=1e-6)
    assert best.item() == pytest.approx(math.log1p(7 * math.exp(-2 / temperature)), rel=1e-4)
    assert worst.item() == pytest.approx(math.log(7) + 2 / temperature + math.exp(-2 / temperature) / 7, rel=1e-4)


def test_a_hit_takes_no_part_even_where_its_logit_dwarfs_the_others() -> None:
    state = unit(1, 1, 4).float()
    negatives = torch.cat([state, -state])
    for draws in (torch.tensor([1, 3]), torch.tensor([[0, 1, 1, 1]])):
        loss = sampled_softmax(state, -state, negatives, draws, torch.tensor([0]), 0.01)
        assert loss.item() == pytest.approx(math.log(4), rel=1e-6)


def test_all_hits_leave_no_gradient() -> None:
    state = unit(1, 1, 4).float().requires_grad_()
    sampled_softmax(state, state, state, torch.tensor([7]), torch.tensor([0]), 0.05).backward()
    assert gradient(state).abs().max() == 0


def test_weights_say_what_a_position_counts() -> None:
    states, positives, negatives = unit(1, 4, 3), unit(2, 4, 3), unit(3, 5, 3)
    counts, none = torch.tensor([1, 1, 1, 2, 0]), torch.full((4,), -1)
    first, second, *_ = written_out(states, positives, negatives, [[0, 1, 2, 3, 3]] * 4, none.tolist(), 0.1)
    loss = sampled_softmax(states, positives, negatives, counts, none, 0.1, torch.tensor([3.0, 1.0, 0.0, 0.0]))
    torch.testing.assert_close(loss, (3 * first + second) / 4)


@pytest.mark.parametrize("shared", [True, False])
def test_logits_stay_exact_under_autocast(shared: bool) -> None:
    draws = torch.ones(32, dtype=torch.int64) if shared else torch.arange(32).repeat(64, 1)
    none = torch.full((64,), -1)
    gradients = []
    for enabled in (False, True):
        given = [leaf.detach().float().requires_grad_() for leaf in leaves(50, 64, 32)]
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = sampled_softmax(given[0], given[1], given[2], draws, none, 0.05)
        loss.backward()
        gradients.append((loss, [gradient(leaf) for leaf in given]))
    (exact, exact_gradients), (rounded, rounded_gradients) = gradients
    assert rounded.dtype == torch.float32
    assert torch.equal(exact, rounded)
    for ours, other in zip(exact_gradients, rounded_gradients, strict=True):
        assert (ours - other).abs().max() <= 0.01 * ours.abs().max()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("draws", [torch.ones(32, dtype=torch.int64), torch.arange(32).repeat(64, 1)])
def test_a_gpu_agrees_with_the_cpu(draws: Tensor) -> None:
    found = []
    for device in ("cpu", "cuda"):
        given = [leaf.detach().to(device).requires_grad_() for leaf in leaves(50, 64, 32)]
        own = torch.arange(-1, 63, device=device) % 32
        loss = sampled_softmax(given[0], given[1], given[2], draws.to(device), own, 0.05)
        loss.backward()
        found.append([loss.cpu(), *(gradient(leaf).cpu() for leaf in given)])
    torch.testing.assert_close(*found)


def test_no_positions_cost_nothing() -> None:
    nothing = torch.empty(0, 3, requires_grad=True)
    loss = sampled_softmax(nothing, nothing, unit(0, 2, 3).float(), torch.tensor([1, 1]), torch.empty(0).long(), 0.05)
    loss.backward()
    assert loss.item() == 0


def test_memory_stays_with_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    class Largest(torch.utils._python_dispatch.TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            result = func(*args, **(kwargs or {}))
            if isinstance(result, Tensor):
                self.numbers = max(self.numbers, result.numel())
            return result

    monkeypatch.setitem(module.CHUNK, "cpu", 4096)
    states, negatives = unit(0, 2000, 4).float().requires_grad_(), unit(1, 64, 4).float()
    none = torch.full((2000,), -1)
    for draws in (torch.ones(64, dtype=torch.int64), torch.randint(64, (2000, 16)), torch.randint(64, (300, 16))):
        with Largest() as seen:
            sampled_softmax(states, states, negatives, draws, none, 0.05).backward()
        # The tensors that came in have 8,000 numbers and up to 32,000 draws; all logits would be 128,000 or 32,000,
        # the gathered negatives 128,000 or 19,200.
        assert seen.numbers <= 8000
