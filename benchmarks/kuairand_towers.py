"""The two towers of ARGUS on KuaiRand-Pure: each user has one vector, made of all that is known, for all that is asked.

A nightly batch would have the same. The vectors know no surface, on which much depends here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.kuairand_argus import MODEL, TRAINING, Asked, Variant, pretrained
from benchmarks.kuairand_data import LABEL, Task


@dataclass(frozen=True)
class Towers:
    """How a contestant differs from the published fine-tuning.

    Attributes:
        pretrained: Whether they start from ARGUS.
        model: What is different in the model.
        loss: What is learned.
    """

    pretrained: bool = True
    model: Mapping[str, Any] = field(default_factory=dict)
    loss: str = "pairwise"


VARIANTS: dict[str, Towers] = {
    "argus_towers": Towers(),
    "argus_towers_no_delay": Towers(model={"delay_hours": 0.0}),
    "argus_towers_from_scratch": Towers(pretrained=False),
    "argus_towers_pointwise": Towers(loss="pointwise"),
}


def score(task: Task, seed: int, variant: Towers) -> NDArray[np.float64]:
    """(T,) user vector times item vector; 0 for a user of whom nothing is known."""
    import torch

    from models.argus.scoring import completed
    from models.argus.two_towers import TwoTowers
    from models.argus.two_towers_config import TwoTowersConfig
    from models.config.training import TrainingConfig
    from models.training.loop import fit

    asked = Asked.of(task, with_history=True)
    scale = {"scale": ({"factor": LABEL, "grade": 1},)}
    config = TwoTowersConfig.model_validate({**MODEL, "quality": None, **asked.columns, **scale, **variant.model})
    backbone = pretrained(asked, seed, Variant(stages=(TRAINING,))) if variant.pretrained else None
    torch.manual_seed(seed)
    model = TwoTowers(config, asked.videos, torch.from_numpy(np.unique(asked.known.item_index)))
    if backbone is not None:
        own = dict(model.named_parameters())
        model.load_state_dict({name: w for name, w in backbone.state_dict().items() if name in own}, strict=False)
    told = {"impressions": {"kind": variant.loss}, "seed": seed}
    fit(model, asked.known, TrainingConfig.model_validate({**TRAINING, **told}))
    users = model.users(completed(asked.known, config))
    owner = np.repeat(np.arange(len(asked.shown)), asked.shown.lengths)
    with torch.no_grad():
        items = model.vectors(torch.from_numpy(asked.shown.item_index.astype(np.int64)))
    return asked.in_order_of_the_task((users[owner] * items).sum(1).numpy().astype(np.float64))
