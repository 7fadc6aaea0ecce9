import pytest
import torch
import torch.nn.functional as F

from models.ranking.config import RankingLossConfig
from models.ranking.objective import ActionLoss
from tests.models.ranking.worlds import config, events, ranker, requests

BATCH = requests(events([4, 6]), [[1, 2], [3]])
TAKEN = torch.tensor([0b001, 0b110, 0b000])
LABELS = torch.tensor([[1.0, 0, 0], [0, 1, 1], [0, 0, 0]])


def losses(model: torch.nn.Module) -> torch.Tensor:
    return -(LABELS * F.logsigmoid(model(BATCH)) + (1 - LABELS) * F.logsigmoid(-model(BATCH))).float()


def test_the_loss_is_the_weighted_sum_of_each_actions_mean() -> None:
    model = ranker(config())
    loss = ActionLoss(model, RankingLossConfig(weights={"like": 0.5}))(BATCH, TAKEN)
    torch.testing.assert_close(loss, (losses(model).mean(0) * torch.tensor([0.2, 0.5, 0.2])).sum())


def test_candidates_count_by_their_weight() -> None:
    model = ranker(config())
    loss = ActionLoss(model, RankingLossConfig())(BATCH, TAKEN, torch.tensor([0.0, 3.0, 1.0]))
    torch.testing.assert_close(loss, 0.2 * (0.75 * losses(model)[1] + 0.25 * losses(model)[2]).sum())


def test_a_sum_of_weights_below_one_is_not_blown_up() -> None:
    model = ranker(config())
    loss = ActionLoss(model, RankingLossConfig())(BATCH, TAKEN, torch.tensor([0.25, 0.0, 0.25]))
    torch.testing.assert_close(loss, 0.2 * 0.25 * (losses(model)[0] + losses(model)[2]).sum())


def test_it_learns_which_action_follows() -> None:
    model = ranker(config(), torch.float32).train()
    task = ActionLoss(model, RankingLossConfig(weight=1.0))
    users = events([8] * 32)
    batch = requests(users, [[row] for row in range(1, 33)])
    taken = torch.tensor([masks[-1] for _, masks, _ in users])
    optimizer = torch.optim.Adam(task.parameters(), lr=3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        task(batch, taken).backward()
        optimizer.step()
    labels = (taken[:, None] & torch.tensor([1, 2, 4])) != 0
    assert ((model.eval()(batch) > 0) == labels).float().mean() > 0.95


def test_labels_of_another_batch_are_refused() -> None:
    with pytest.raises(ValueError, match="2 action masks are given for 3 candidates"):
        ActionLoss(ranker(config()), RankingLossConfig())(BATCH, TAKEN[:2])


def test_a_weight_of_no_action_is_refused() -> None:
    with pytest.raises(ValueError, match=r"weights of \['buy'\] are of no declared action"):
        ActionLoss(ranker(config()), RankingLossConfig(weights={"buy": 1.0}))
