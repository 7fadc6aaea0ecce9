"""A trained version on disk: one folder, written whole, never changed, no pickle."""

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.config import ModelConfig
from models.golden import golden_requests
from models.manifest import (
    CONFIG,
    EVALUATION,
    GOLDEN,
    ITEM_VECTORS,
    MANIFEST,
    MODEL,
    MODEL_CARD,
    VOCABULARY,
    Manifest,
    read_manifest,
)
from models.markdown import escaped
from models.recommender import Recommender
from models.vocabulary import Vocabulary


class ArtifactError(ValueError):
    """A version folder is missing, incomplete or of a format this code does not read."""


@dataclass(frozen=True)
class Artifact:
    """A version in memory, ready to score.

    Attributes:
        item_vectors: (n + 1, width) float32, the tower's output for every item of the vocabulary, not normalised.
    """

    manifest: Manifest
    model: Recommender
    vocabulary: Vocabulary
    item_vectors: Tensor

    @property
    def version(self) -> str:
        return self.manifest.version

    @cached_property
    def unit_vectors(self) -> Tensor:
        """(n + 1, width) `item_vectors` at unit norm, row 0 zero: what a user's state is compared with."""
        return F.normalize(self.item_vectors, dim=-1, eps=1e-6)


def save_artifact(folder: Path, manifest: Manifest, model: Recommender, vocabulary: Vocabulary) -> Path:
    """Writes the version below `folder` under a temporary name and renames it whole; returns its folder.

    The live model answers the golden requests that are kept with it, and comes back on the CPU for that.

    Raises:
        ArtifactError: that version exists already: versions are immutable.
    """
    final = folder / manifest.version
    if final.exists():
        raise ArtifactError(f"version {manifest.version} exists already in {folder}: versions are never overwritten")
    temporary = folder / f".{manifest.version}.partial"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    model = model.eval()
    save_file({name: value.contiguous().cpu() for name, value in model.state_dict().items()}, temporary / MODEL)
    item_vectors = model.item_vectors(len(vocabulary)).float().cpu()
    save_file({"item_vectors": item_vectors}, temporary / ITEM_VECTORS)
    golden_requests(Artifact(manifest, model.cpu(), vocabulary, item_vectors)).write(temporary / GOLDEN)
    (temporary / CONFIG).write_text(model.config.model_dump_json(indent=2))
    (temporary / MANIFEST).write_text(manifest.model_dump_json(indent=2))
    (temporary / MODEL_CARD).write_text(model_card(manifest, model, vocabulary))
    vocabulary.write(temporary / VOCABULARY)
    temporary.rename(final)
    return final


def load_artifact(folder: Path) -> Artifact:
    """Reads a version for scoring.

    Raises:
        ArtifactError: the folder is not a complete version, or of another format.
    """
    needed = (MODEL, CONFIG, VOCABULARY, ITEM_VECTORS, GOLDEN, MANIFEST)
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise ArtifactError(f"{folder} is not a complete version, {', '.join(missing)} is missing: train it again")
    try:
        config = ModelConfig.model_validate_json((folder / CONFIG).read_text())
        manifest = read_manifest(folder)
    except ValueError as error:
        raise ArtifactError(f"{folder} has a configuration that this code does not read: {error}") from error
    vocabulary = Vocabulary.read(folder / VOCABULARY)
    item_vectors = load_file(folder / ITEM_VECTORS)["item_vectors"]
    if item_vectors.shape != (len(vocabulary) + 1, config.width):
        raise ArtifactError(
            f"the item vectors in {folder} are {tuple(item_vectors.shape)}, not {len(vocabulary) + 1} of width "
            f"{config.width}: train it again"
        )
    # A finite vector whose length is not would be normalised to zero, and its item never be told from others.
    wrong = ~item_vectors.square().sum(1).isfinite()
    if wrong.any():
        item = vocabulary.item_ids[max(int(wrong.int().argmax()) - 1, 0)]
        raise ArtifactError(f"the vector of item {item!r} in {folder} is not finite, or too long: train it again")
    content = torch.zeros(1, config.items.content_dim) if config.items.content_dim else None
    model = Recommender(config, vocabulary.trained, content)
    model.load_state_dict(load_file(folder / MODEL))
    return Artifact(manifest, model.eval(), vocabulary, item_vectors)


def model_card(manifest: Manifest, model: Recommender, vocabulary: Vocabulary) -> str:
    """What somebody should know before using this version, as Markdown."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    cold = len(vocabulary) - vocabulary.trained
    metrics = "\n".join(f"- {escaped(name)}: {value:.4f}" for name, value in manifest.training_metrics.items())
    return f"""# {escaped(manifest.version)}

A next-item recommender ({model.config.backbone.name}, {model.config.backbone.layers} layers, width \
{model.config.width}, {parameters:,} parameters) of profile {escaped(manifest.profile)}.

- Trained on interactions before {manifest.cutoff:%Y-%m-%d %H:%M} UTC; an interaction counts when it is one of \
{", ".join(map(escaped, manifest.positive_actions))}.
- {vocabulary.trained:,} items seen in training; {cold:,} more are represented by their content alone.
- Reads the last {model.config.max_length} interactions of a user.
- Not meant for users without history (the endpoint falls back to popularity).

## Training
{metrics or "- no metrics were recorded"}

The evaluation is in `{EVALUATION}`, the origin of the data in `{MANIFEST}`.
"""
