"""What is trained, evaluated and served scores alike (HSTU spec section 12, number 22)."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from models.artifact import load_artifact, save_artifact
from models.batch import request_batch
from models.inference import score
from models.interactions import Interactions
from tests.models.test_artifact import CONFIG, manifest, model, vocabulary

USERS = 1000


def thousand_users() -> tuple[Interactions, np.ndarray]:
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 2 * CONFIG.max_length, USERS)
    users = [(rng.integers(1, 8, n), np.sort(rng.integers(0, 10**11, n))) for n in lengths]
    return Interactions.of(users), np.full(USERS, 2 * 10**11)


def test_a_thousand_users_score_alike_in_one_batch_of_training_and_one_by_one_when_served(tmp_path: Path) -> None:
    users, times = thousand_users()
    trained = model()
    with torch.no_grad():
        batch = request_batch(users, times, CONFIG.max_length)
        states = trained.queries(batch)
        evaluated = states @ F.normalize(trained.items.table(torch.arange(8)), dim=-1).T

    artifact = load_artifact(save_artifact(tmp_path, manifest(), trained, vocabulary()))
    served = torch.cat([score(artifact, users.take(np.array([user])), times[user : user + 1]) for user in range(USERS)])

    assert evaluated[:, 1:].std() > 0.1
    torch.testing.assert_close(served[:, 1:], evaluated[:, 1:], atol=1e-4, rtol=0)
