import pytest
import torch
import torch.nn.functional as F

from models.config.losses import ActionLossConfig
from models.objectives.actions import ActionLoss
from models.ranking.batch import LabelledBatch
from models.ranking.ranker import Ranker
from models.training.task import Task
from tests.models.ranking.worlds import config, events, ranker, requests

BATCH = requests(events([4, 6]), [[1, 2], [3]])
TAKEN = torch.tensor([0b001, 0b110, 0b000])
LABELS = torch.tensor([[1.0, 0, 0], [0, 1, 1], [0, 0, 0]])


def task(model: Ranker, config: ActionLossConfig) -> Task:
    return Task(model, [ActionLoss(model.config.actions, config)])


def losses(model: torch.nn.Module) -> torch.Tensor:
    return -(LABELS * F.logsigmoid(model(BATCH)) + (1 - LABELS) * F.logsigmoid(-model(BATCH))).float()


def test_the_loss_is_the_weighted_sum_of_each_actions_mean() -> None:
    model = ranker(config())
    loss, parts = task(model, ActionLossConfig(weights={"like": 0.5}))(LabelledBatch(BATCH, TAKEN), torch.Generator())
    torch.testing.assert_close(torch.stack(list(parts.values())), losses(model).mean(0))
    assert list(parts) == ["click", "like", "share"]
    torch.testing.assert_close(loss, (losses(model).mean(0) * torch.tensor([0.2, 0.5, 0.2])).sum())


def test_it_learns_which_action_follows() -> None:
    model = ranker(config(), torch.float32).train()
    learned = task(model, ActionLossConfig(weight=1.0))
    users = events([8] * 32)
    batch = requests(users, [[row] for row in range(1, 33)])
    taken = torch.tensor([masks[-1] for _, masks, _ in users])
    optimizer = torch.optim.Adam(learned.parameters(), lr=3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        learned(LabelledBatch(batch, taken), torch.Generator())[0].backward()
        optimizer.step()
    labels = (taken[:, None] & torch.tensor([1, 2, 4])) != 0
    assert ((model.eval()(batch) > 0) == labels).float().mean() > 0.95


def test_labels_of_another_batch_are_refused() -> None:
    with pytest.raises(ValueError, match="2 action masks are given for 3 candidates"):
        task(ranker(config()), ActionLossConfig())(LabelledBatch(BATCH, TAKEN[:2]), torch.Generator())


def test_a_weight_of_no_action_is_refused() -> None:
    with pytest.raises(ValueError, match=r"weights of \['buy'\] are of no declared action"):
        task(ranker(config()), ActionLossConfig(weights={"buy": 1.0}))
