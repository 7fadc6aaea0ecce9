"""A trained version on disk: one folder, written whole, never changed, no pickle."""

import glob
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.config.model import TrainedConfig
from models.families.family import ITEM_VECTORS, RETRIEVAL_VECTORS, Family, TrainedFamily
from models.families.registry import family_of, read_config
from models.golden import golden_requests
from models.manifest import (
    CONFIG,
    EVALUATION,
    GOLDEN,
    MANIFEST,
    MODEL,
    MODEL_CARD,
    OPTIMIZER,
    VOCABULARY,
    Manifest,
    read_manifest,
)
from models.markdown import escaped
from models.vocabulary import Vocabulary


class ArtifactError(ValueError):
    """A version folder is missing, incomplete or of a format this code does not read."""


@dataclass(frozen=True)
class Artifact:
    """A version in memory, ready to score.

    Attributes:
        model: As its family makes it.
        vectors: (n + 1, d) float32 vectors of every item of the vocabulary, by the names that the family exports.
    """

    manifest: Manifest
    model: Any
    vocabulary: Vocabulary
    vectors: Mapping[str, Tensor]

    @classmethod
    def of(cls, manifest: Manifest, model: Any, vocabulary: Vocabulary) -> "Artifact":
        """The version that `model` is, which comes back on the CPU and in the mode that scores."""
        family = family_of(model.config)
        vectors = family.exports(model.eval(), len(vocabulary))
        return cls(manifest.model_copy(update={"family": family.name}), model.cpu(), vocabulary, vectors)

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def family(self) -> Family:
        return family_of(self.model.config)

    @property
    def item_vectors(self) -> Tensor:
        """(n + 1, width) what the encoder reads of every item."""
        return self._exported(ITEM_VECTORS)

    @property
    def retrieval_vectors(self) -> Tensor:
        """(n + 1, d) what a user's query is compared with."""
        return self._exported(RETRIEVAL_VECTORS)

    def _exported(self, name: str) -> Tensor:
        if name not in self.vectors:
            raise ArtifactError(
                f"version {self.version} has no {name}, for its family {self.family.name} makes none: use a version "
                "of another family"
            )
        return self.vectors[name]


def save_artifact(
    folder: Path,
    manifest: Manifest,
    model: Any,
    vocabulary: Vocabulary,
    optimizer: Mapping[str, Tensor] = MappingProxyType({}),
) -> Path:
    """Writes the version below the folder of its family in `folder`, under a temporary name, and renames it whole.

    The live model answers the golden requests that are kept with it, and comes back on the CPU for that.

    Args:
        optimizer: What its training ended with, for a version that is trained on from it; where it is empty that one
            begins with a fresh optimiser.

    Returns:
        The version's folder.

    Raises:
        ArtifactError: that version exists already: versions are immutable.
    """
    artifact = Artifact.of(manifest, model, vocabulary)
    of_family = folder / artifact.family.name
    final, temporary = of_family / manifest.version, of_family / f".{manifest.version}.partial"
    if taken := next(folder.glob(f"*/{glob.escape(manifest.version)}"), None):
        raise ArtifactError(
            f"version {manifest.version} exists already in {taken.parent}: versions are never overwritten, and a name "
            "is that of one version, whatever its family"
        )
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, temporary / MODEL)
    if optimizer:
        save_file({name: value.contiguous() for name, value in optimizer.items()}, temporary / OPTIMIZER)
    for name, vectors in artifact.vectors.items():
        save_file({name: vectors.contiguous()}, temporary / vectors_file(name))
    golden_requests(artifact).write(temporary / GOLDEN)
    (temporary / CONFIG).write_text(model.config.model_dump_json(indent=2))
    (temporary / MANIFEST).write_text(artifact.manifest.model_dump_json(indent=2))
    (temporary / MODEL_CARD).write_text(model_card(artifact))
    vocabulary.write(temporary / VOCABULARY)
    temporary.rename(final)
    return final


def load_artifact(folder: Path) -> Artifact:
    """Reads a version for scoring, of whatever family.

    Raises:
        ArtifactError: the folder is not a complete version, or of another format.
    """
    _require(folder, MANIFEST, MODEL, CONFIG, VOCABULARY, GOLDEN)
    try:
        manifest, config = read_manifest(folder), read_config(folder)
    except ValueError as error:
        raise ArtifactError(f"{folder} has a configuration that this code does not read: {error}") from error
    family = family_of(config)
    _require(folder, *map(vectors_file, family.vectors))
    try:
        vocabulary = Vocabulary.read(folder / VOCABULARY)
    except ValueError as error:
        raise ArtifactError(str(error)) from error
    vectors = {name: _tensors(folder / vectors_file(name))[name] for name in family.vectors}
    for name, of_items in vectors.items():
        width = config.width if name == ITEM_VECTORS and isinstance(config, TrainedConfig) else of_items.shape[1]
        _refuse_unfit(folder, name.replace("_", " "), of_items, vocabulary, width)
    weights = _tensors(folder / MODEL)
    try:
        model = family.load(config, vocabulary, weights, vectors)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ArtifactError(f"{folder} holds parts that do not belong together: {error}") from error
    return Artifact(manifest, model.eval(), vocabulary, vectors)


def _tensors(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except SafetensorError as error:
        raise ArtifactError(f"{file} is damaged: {error}") from error


def vectors_file(name: str) -> str:
    """The file of a version that holds the vectors `name`."""
    return f"{name}.safetensors"


def _require(folder: Path, *files: str) -> None:
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise ArtifactError(f"{folder} is not a complete version, {', '.join(missing)} is missing: train it again")


def _refuse_unfit(folder: Path, what: str, vectors: Tensor, vocabulary: Vocabulary, width: int) -> None:
    if vectors.shape != (len(vocabulary) + 1, width):
        raise ArtifactError(
            f"the {what} in {folder} are {tuple(vectors.shape)}, not {len(vocabulary) + 1} of width {width}: train it "
            "again"
        )
    # A finite vector whose length is not would be normalised to zero, and its item never be told from others.
    wrong = ~vectors.square().sum(1).isfinite()
    if wrong.any():
        item = vocabulary.item_ids[max(int(wrong.int().argmax()) - 1, 0)]
        raise ArtifactError(
            f"the vector of item {item!r} among the {what} in {folder} is not finite, or too long: train it again"
        )


def model_card(artifact: Artifact) -> str:
    """What somebody should know before using this version, as Markdown."""
    manifest, vocabulary = artifact.manifest, artifact.vocabulary
    does = {"retrieval": "finds the next item", "ranking": "ranks given items"}[artifact.family.kind]
    trained, cold = len(vocabulary.trained), len(vocabulary.known_items) - len(vocabulary.trained)
    every = artifact.family.reads == "all"
    counts = "all of them count, and an item was chosen with" if every else "an interaction counts when it is one of"
    of_cold, made = _how_it_was_made(artifact)
    metrics = "\n".join(f"- {escaped(name)}: {value:.4f}" for name, value in manifest.training_metrics.items())
    return f"""# {escaped(manifest.version)}

A model of the family {manifest.family}, which {does}, of profile {escaped(manifest.profile)}.

- Learned from interactions before {manifest.cutoff:%Y-%m-%d %H:%M} UTC; {counts} \
{", ".join(map(escaped, manifest.positive_actions))}.
- {trained:,} items seen in training; {cold:,} more {of_cold}.
- {made}.
- {_reads(artifact)}.
- Not meant for users without history (the endpoint falls back to popularity).

## Training
{metrics or "- no metrics were recorded"}

The evaluation is in `{EVALUATION}`, the origin of the data in `{MANIFEST}`.
"""


def _how_it_was_made(artifact: Artifact) -> tuple[str, str]:
    """What it makes of items that were not seen, and how it was made."""
    if isinstance(artifact.family, TrainedFamily):
        return _trained(artifact)
    return _blended(artifact) if artifact.manifest.parts else _fitted(artifact)


def _trained(artifact: Artifact) -> tuple[str, str]:
    manifest, model = artifact.manifest, artifact.model
    parameters = sum(parameter.numel() for parameter in model.parameters())
    start = f"on from the weights of version {escaped(manifest.parent)}" if manifest.parent else "from scratch"
    return (
        "are represented by their content alone",
        f"Trained {start}: width {model.config.width}, {parameters:,} parameters",
    )


def _fitted(artifact: Artifact) -> tuple[str, str]:
    settings = artifact.model.config.model_dump(exclude={"format", "family", "max_length"})
    return (
        "come after all of these",
        f"Fitted at once: {', '.join(f'{name} {value}' for name, value in settings.items())}",
    )


def _blended(artifact: Artifact) -> tuple[str, str]:
    parts = " and ".join(f"version {escaped(version)} ({name})" for name, version in artifact.manifest.parts.items())
    return (
        "are represented by their content alone",
        f"Mixed of {parts}, of which item-kNN has the weight {artifact.model.config.weight:g}",
    )


def _reads(artifact: Artifact) -> str:
    if artifact.family.reads == "nothing":
        return "Reads nothing of a user: everybody who asks at a time gets the same"
    return f"Reads the last {artifact.model.config.max_length} interactions of a user"
