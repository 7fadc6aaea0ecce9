"""What is said about a version without loading it: its folder's files, its manifest, its place among versions."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, model_validator

from models.auto import Choice
from models.config.training import TrainingConfig
from models.merging import Merging
from models.strict import Strict

MODEL = "model.safetensors"
CONFIG = "config.json"
VOCABULARY = "vocabulary.parquet"
GOLDEN = "golden.safetensors"
MANIFEST = "manifest.json"
MODEL_CARD = "MODEL_CARD.md"
OPTIMIZER = "optimizer.safetensors"
"""With what training can go on from the version; nothing else reads it."""

EVALUATION = "evaluation.json"


class Space(Strict):
    """The space that a version's vectors are published in (`models.stable_space`).

    Vectors of one space can be compared and read by one consumer, whatever version they are of; those of two cannot.
    """

    id: str = Field(description="Its name: that of the first version in it.")
    towards: str | None = Field(description="Version whose vectors these were turned towards; null: it is a new space.")
    common_items: int = Field(default=0, description="Items of both versions, by which they were turned.")
    mean_cosine: float | None = Field(
        default=None, description="Mean cosine of these items' vectors to those before; null: it is a new space."
    )
    canonical: bool = Field(
        description="Whether the basis follows from the scores alone; false: vectors were only turned, because their "
        "lengths are part of the model (cosines), or they do not fill the space."
    )
    change_of_scores: float = Field(description="Largest change of a score by all this, in parts of the largest.")
    reason: str = Field(default="", description="Why it is a new space, or why the vectors were only turned.")


class Manifest(Strict):
    """The record of a version: where it comes from and what it was made with."""

    version: str
    family: str = Field(default="", description="Family of the model; whoever saves a version fills it in.")
    created: datetime
    profile: str = ""
    cutoff: datetime = Field(description="Interactions strictly before this moment were trained on.")
    data_end: datetime = Field(description="End of the newest data that was there when the version was made.")
    positive_actions: list[str] = Field(description="Actions that make an interaction part of a history.")
    merge_adjacent: Merging | None = Field(
        default=None, description="What adjacent interactions are merged by before the model reads them."
    )
    held_out_users: int = Field(default=0, description="Users at most of whom what they did last was not trained on.")
    held_out_seed: int = Field(default=0, description="Seed of the hash that chose them.")
    held_out_ties: bool = Field(
        default=True, description="Whether that was one interaction, though others happened at its time."
    )
    repeats: bool = Field(
        default=False, description="Whether what a user has chosen is asked for and recommended again."
    )
    training_set: str = Field(default="", description="Name of the training set, which the evaluation reads, too.")
    table_versions: dict[str, int] = Field(default_factory=dict, description="Delta version of every table read.")
    code_version: str = ""
    parent: str | None = Field(default=None, description="Version that this one was warm-started from.")
    ancestors: list[str] = Field(
        default_factory=list,
        description="The versions that it was warm-started from, one from the other: `parent` first, the one that was "
        "trained from scratch at the end. Empty for that one, and in manifests of before 28 November 2026.",
    )
    parts: dict[str, str] = Field(
        default_factory=dict, description="Family to version of what a blend was mixed of; empty for others."
    )
    training: TrainingConfig | None = Field(
        default=None, description="How it was trained; null: it was fitted at once."
    )
    workers: int = Field(default=1, description="Processes that each took a batch of that a step.")
    chosen: dict[str, Choice] = Field(
        default_factory=dict, description="Settings that the data decided, by their path in the profile, and why."
    )
    space: Space | None = Field(
        default=None, description="The space of the version's vectors; null: they were not published yet."
    )
    training_metrics: dict[str, float] = Field(default_factory=dict)
    hardware: str = ""
    libraries: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _names_alone(cls, values: dict[str, object]) -> dict[str, object]:
        """Older manifests name the actions' places, too, in a vocabulary that may have changed since."""
        return {name: value for name, value in values.items() if name != "positive_bits"}


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the version in `folder`."""
    return Manifest.model_validate_json((folder / MANIFEST).read_text())


def list_versions(*folders: Path) -> list[str]:
    """The complete versions below the folders of some families, oldest first.

    One whose manifest cannot be read, or is of another family than its folder, is none.
    """
    created: dict[str, str] = {}
    for path in (path for folder in folders for path in folder.glob(f"[!.]*/{MANIFEST}")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads(path.read_text())
            if told["family"] == path.parent.parent.name:
                created[path.parent.name] = str(told["created"])
    return sorted(created, key=lambda version: (created[version], version))


def new_version(family: str, now: datetime | None = None) -> str:
    """A version name that sorts by time, and that no version of another family has."""
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%S.%f")[:-3].replace(".", "-")
    return f"{moment}-{family}"
