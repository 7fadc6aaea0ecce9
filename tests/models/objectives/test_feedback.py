"""The loss of the feedback: each factor by itself, masked where its class is not known, never NaN."""

from dataclasses import replace

import torch
import torch.nn.functional as F

from models.argus.examples import ArgusExamples
from models.argus.model import Asked
from models.objectives.feedback import Feedback
from tests.models.argus.worlds import argus, config, people


def view() -> Asked:
    of = config()
    batch = ArgusExamples(people([8, 5]), of).batch(torch.arange(2).numpy())
    return argus(of).train().view(batch, torch.Generator().manual_seed(0))


def test_each_factor_is_a_cross_entropy_of_those_with_a_class() -> None:
    seen = view()
    losses = Feedback(seen.model.config.factors, {"played": 0.5})(seen)
    like, played = seen.batch.labels.T
    assert (played == -1).any()
    assert set(played.tolist()) == {-1, 0, 1, 2}
    torch.testing.assert_close(losses["like"], F.cross_entropy(seen.logits[:, :2], like))
    known = played >= 0
    torch.testing.assert_close(losses["played"], F.cross_entropy(seen.logits[known, 2:], played[known]))
    assert Feedback(seen.model.config.factors, {"played": 0.5}).weights == {"like": 1.0, "played": 0.5}


def test_a_factor_of_one_class_and_one_without_labels_are_finite() -> None:
    seen = view()
    labels = torch.zeros_like(seen.batch.labels)
    labels[:, 1] = -1
    seen = replace(seen, batch=replace(seen.batch, labels=labels))
    losses = Feedback(seen.model.config.factors, {})(seen)
    sum(losses.values(), torch.zeros(())).backward()
    assert losses["played"] == 0
    assert losses["like"].isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in seen.model.parameters())
