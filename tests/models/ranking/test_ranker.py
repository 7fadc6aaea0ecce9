import doctest
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import models.ranking
from models.attention import use_backend
from models.config.losses import ActionLossConfig
from models.objectives.actions import ActionLoss
from models.ranking.batch import LabelledBatch
from models.ranking.config import RankerConfig
from models.training.task import Task
from tests.models.ranking.worlds import DAY, config, events, ranker, requests

CONFIGS = {
    "published": config(),
    "windowed, group norm": config(window=3, full_tail=2, output_norm="group"),
    "context": config(context=(4, 7)),
    "context that sees all": config(context=(4, 7), context_sees_all=True, window=4),
    "start": config("start", context=(4, 7)),
}


def slots(of: RankerConfig, rows: int) -> list[list[int]] | None:
    return [[row % 4, row % 7] for row in range(rows)] if of.context else None


@pytest.fixture(params=CONFIGS, name="of")
def every_config(request: pytest.FixtureRequest) -> RankerConfig:
    return CONFIGS[request.param]


def test_rows_do_not_depend_on_their_batch(of: RankerConfig) -> None:
    model = ranker(of)
    users, candidates = events([5, 0, 16, 1]), [[1, 2, 3], [4], [5, 6], []]
    together = model(requests(users, candidates, slots(of, 4)))
    alone = [
        model(requests([user], [rows], [slot] if slot else None))
        for user, rows, slot in zip(users, candidates, slots(of, 4) or [[]] * 4, strict=True)
    ]
    assert together.shape == (6, 3)
    torch.testing.assert_close(together, torch.cat(alone))


def test_the_order_of_rows_is_the_order_of_logits(of: RankerConfig) -> None:
    model = ranker(of)
    users, candidates, context = events([5, 2, 9]), [[1, 2], [4], [5, 6]], slots(of, 3)
    forward = model(requests(users, candidates, context))
    backward = model(requests(users[::-1], candidates[::-1], context[::-1] if context else None))
    torch.testing.assert_close(torch.cat([forward[3:], forward[2:3], forward[:2]]), backward)


def test_candidates_do_not_see_each_other(of: RankerConfig) -> None:
    model, users = ranker(of), events([7])
    together = model(requests(users, [[3, 1, 4, 1, 5]], slots(of, 1)))
    alone = [model(requests(users, [[row]], slots(of, 1))) for row in (3, 1, 4, 1, 5)]
    torch.testing.assert_close(together, torch.cat(alone))
    assert not torch.allclose(together[0], together[1])
    torch.testing.assert_close(model(requests(users, [[5, 3, 1]], slots(of, 1))), together[[4, 0, 1]])


def test_permuted_candidates_give_the_same_gradients(of: RankerConfig) -> None:
    gradients = []
    for rows in ([3, 1, 4], [4, 3, 1]):
        model = ranker(of)
        model(requests(events([6]), [rows], slots(of, 1))).square().sum().backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], msg=name)


def test_an_empty_history_can_be_ranked_and_no_request_gives_nothing(of: RankerConfig) -> None:
    model = ranker(of)
    assert torch.isfinite(model(requests(events([0]), [[1, 2]], slots(of, 1)))).all()
    assert model(requests(events([3]), [[]], slots(of, 1))).shape == (0, 3)


def test_what_happened_at_a_candidate_is_never_read(of: RankerConfig) -> None:
    model, batch = ranker(of), requests(events([5]), [[1, 2]], slots(of, 1))
    told = replace(batch, actions=torch.where(torch.arange(7) >= 5, 5, batch.actions))
    assert torch.equal(model(batch), model(told))


def test_the_history_is_read(of: RankerConfig) -> None:
    model, batch = ranker(of), requests(events([5]), [[1, 2]], slots(of, 1))
    logits = model(batch)
    for other in (
        replace(batch, actions=batch.actions ^ 1),
        replace(batch, item_index=torch.where(torch.arange(7) == 4, batch.item_index % 40 + 1, batch.item_index)),
        replace(batch, context=(batch.context + 1) % 4) if of.context else None,
    ):
        assert other is None or not torch.allclose(model(other), logits, atol=1e-4)


def test_ages_matter_only_where_positions_count_from_the_request() -> None:
    batch = requests(events([5]), [[1, 2]])
    later = replace(batch, request_times=batch.request_times + DAY)
    recency, start = ranker(config()), ranker(config("start"))
    assert not torch.allclose(recency(batch), recency(later), atol=1e-4)
    assert torch.equal(start(batch), start(later))


def test_weeks_that_pass_for_all_change_nothing() -> None:
    model, batch = ranker(config()), requests(events([5]), [[1, 2]])
    later = replace(batch, timestamps=batch.timestamps + 7 * DAY, request_times=batch.request_times + 7 * DAY)
    assert torch.equal(model(batch), model(later))


def test_gradients_reach_every_parameter(of: RankerConfig) -> None:
    task = Task(ranker(of).train(), [ActionLoss(of.actions, ActionLossConfig())])
    batch = requests(events([6, 16, 3]), [[1, 2, 3], [4, 5], [6]], slots(of, 3))
    task(LabelledBatch(batch, torch.tensor([0, 7, 1, 2, 5, 4])), torch.Generator())[0].backward()
    for name, parameter in task.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(0, 16), min_size=1, max_size=4), targets=st.integers(0, 5))
@pytest.mark.parametrize("name", CONFIGS)
def test_the_backends_agree(name: str, lengths: list[int], targets: int) -> None:
    of = CONFIGS[name]
    batch = requests(events(lengths), [list(range(1, targets + 1))] * len(lengths), slots(of, len(lengths)))
    exact = ranker(of)(batch)
    model = ranker(of, torch.float32)
    torch.testing.assert_close(model(batch).double(), exact, atol=1e-4, rtol=1e-4)
    with use_backend("reference"):
        torch.testing.assert_close(model(batch).double(), exact, atol=1e-4, rtol=1e-4)


def test_autocast_computes_attention_in_bf16() -> None:
    model, batch = ranker(config("start"), torch.float32), requests(events([5, 9]), [[1, 2], [3]])
    nobody = requests(events([5]), [[]])
    with torch.autocast("cpu", torch.bfloat16):
        logits, cache = model(batch), model.prefill(nobody, "v1")
    assert {tensor.dtype for pair in cache.pairs for tensor in pair} == {torch.bfloat16}
    torch.testing.assert_close(logits.float(), model(batch), atol=0.1, rtol=0.1)


def test_the_example_of_the_package() -> None:
    assert doctest.testmod(models.ranking) == (0, 13)


def test_a_history_over_the_limit_is_named() -> None:
    long = requests(events([3, 16]), [[], [1]])
    model = ranker(config().model_copy(update={"max_length": 15}))
    with pytest.raises(ValueError, match="row 1 has 16 interactions, the model takes 15"):
        model(long)


def test_missing_context_is_said() -> None:
    with pytest.raises(ValueError, match="the batch has 0 contextual slots, the model 2"):
        ranker(config(context=(4, 7)))(requests(events([3]), [[1]]))


def test_values_outside_the_tables_are_named() -> None:
    model, batch = ranker(config(context=(4, 7))), requests(events([3, 2]), [[1], [2]], [[0, 0], [3, 6]])
    with pytest.raises(ValueError, match=r"row 1 has value 7 in contextual slot 1, whose values are 0\.\.6"):
        model(replace(batch, context=batch.context + torch.tensor([0, 1])))
    with pytest.raises(ValueError, match="row 1 has action mask 8, the model declares"):
        model(replace(batch, actions=torch.where(torch.arange(7) == 5, 8, batch.actions)))


def test_the_divisor_is_the_longest_row_unless_given() -> None:
    assert config().attention_divisor == 17
    assert config(context=(4, 7)).attention_divisor == 19
    assert RankerConfig(actions=("a",), attention_divisor=99).attention_divisor == 99
    assert RankerConfig.model_validate_json(config().model_dump_json()) == config()


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="position_rows 32 is smaller than the longest row 65"):
        RankerConfig(actions=("a",), max_length=64, encoding=config("start").encoding)
    with pytest.raises(ValueError, match=r"\('a', 'a'\) .*: name each once"):
        RankerConfig(actions=("a", "a"))
    with pytest.raises(ValueError, match=r"full_tail .*: set window too"):
        config(full_tail=2)
