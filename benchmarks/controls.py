"""Models of positives alone as others have published them, beside a version of hstu: SASRec, gSASRec and eSASRec.

Each is trained on the version's own training set, for as many epochs, with the same item tower and head, and differs in
layers and loss alone. So what is compared is the published idea, not how well somebody tuned it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from assets.training.settings import TrainingSettings
from assets.training.version import train_version
from assets.versions import DATASETS
from benchmarks.figures import Report
from benchmarks.side_by_side import side_by_side
from models.artifact import Artifact, load_artifact
from models.config.model import LigrConfig, SasrecConfig
from models.evaluation.report import EvaluationReport, Protocol
from models.manifest import new_version
from storage.lake import Lake


@dataclass(frozen=True)
class Control:
    """A published model.

    Attributes:
        backbone: Its layers.
        loss: What is different in the loss.
    """

    backbone: type[SasrecConfig] | type[LigrConfig]
    loss: Mapping[str, Any] = field(default_factory=dict)


CONTROLS: Mapping[str, Control] = {
    "sasrec": Control(SasrecConfig, {"kind": "gbce", "calibration": 0.0, "negatives": 1, "shared": False}),
    "gsasrec": Control(SasrecConfig, {"kind": "gbce", "calibration": 0.75, "negatives": 256}),
    "esasrec": Control(LigrConfig),
}
"""SASRec with binary cross-entropy and one negative (Kang and McAuley, ICDM 2018), with the generalised one and 256 of
them (arXiv 2308.07192), and LiGR's layers with sampled softmax (RecTools)."""


def train_controls(lake: Lake, hstu: Artifact, report: Report) -> dict[str, Artifact]:
    """A version of each in the lake, made of the training set of `hstu`."""
    config, training = hstu.model.config, hstu.manifest.training
    assert training is not None
    settings = TrainingSettings(
        positive_actions=tuple(hstu.manifest.positive_actions), id_masking=config.items.id_masking
    )
    made = {}
    for name, control in CONTROLS.items():
        theirs = config.backbone
        backbone = control.backbone(layers=theirs.layers, heads=theirs.heads, dropout=theirs.dropout)
        manifest = hstu.manifest.model_copy(update={"version": new_version(name), "created": datetime.now(UTC)})
        version = train_version(
            lake,
            manifest,
            lake.folder(DATASETS) / hstu.manifest.training_set,
            settings,
            config.model_copy(update={"backbone": backbone}),
            training.model_copy(update={"loss": training.loss.model_copy(update=dict(control.loss))}),
            workers=0,
            with_content=bool(config.items.content_dim),
            start=None,
            on_progress=lambda said: None,
        )
        report(f"{name}: keeps epoch {version.kept.epoch} of {len(version.curve)}")
        made[name] = load_artifact(version.folder)
    return made


def evaluate_controls(lake: Lake, hstu: Artifact, controls: Mapping[str, Artifact]) -> dict[Protocol, EvaluationReport]:
    """hstu and the controls on the cases of its training set, which are those of the line's own evaluation."""
    return side_by_side(lake, hstu, {hstu.family.name: hstu, **controls})
