"""Where training sets are kept: each in a folder of its own that is put there whole and never changes."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from pydantic import Field

from assets.data_version import digest
from assets.versions import RECORD
from models.auto import Choice
from models.strict import Strict
from storage.lake import Lake


class SetRecord(Strict):
    """What a training set was made of, and what it came to.

    Attributes:
        content_digest: Equal for sets that hold the same, whatever they were made of.
    """

    created: datetime = Field(default_factory=lambda: datetime.now(UTC))
    cutoff: datetime = Field(description="Training sees what happened strictly before this moment (UTC).")
    data_end: datetime = Field(description="End of the newest data that was there.")
    table_versions: dict[str, int] = Field(description="Delta version of every table that was read.")
    content_digest: str
    users: int = Field(description="With something to train on.")
    interactions: int = Field(description="That are trained on.")
    trained_items: int = Field(description="Items among these.")
    items: int = Field(description="These, and the rest of the catalogue.")
    chosen: dict[str, Choice] = Field(default={}, description="What the data decided, by its path in the profile.")

    @property
    def name(self) -> str:
        """The name of the folder: the same for what is made of the same once more."""
        return digest(self.model_dump(mode="json", exclude={"created"}))

    @property
    def data_version(self) -> str:
        """Equal for sets from which the same is learned."""
        return digest(self.model_dump(mode="json", exclude={"created", "data_end", "table_versions", "chosen"}))


R = TypeVar("R", bound=SetRecord)


def keep(lake: Lake, kind: str, draft: Path, record: SetRecord) -> Path:
    """Puts the finished `draft` and its record below the folder `kind`; returns its place.

    A set that is there already stays as it is, but counts as made just now.
    """
    (draft / RECORD).write_text(record.model_dump_json(indent=2))
    folder = lake.folder(kind)
    final, partial = folder / record.name, folder / f".{record.name}.{uuid4().hex[:8]}.partial"
    if final.exists():
        (draft / RECORD).replace(partial)
        partial.replace(final / RECORD)
    else:
        # The draft may lie on another file system, from where it cannot be renamed.
        shutil.move(draft, partial)
        partial.rename(final)
    return final


def read_record(folder: Path, kind: type[R]) -> R:
    """The record of the training set in `folder`."""
    return kind.model_validate_json((folder / RECORD).read_text())


def tables_of(folder: Path) -> dict[str, int]:
    """The table versions that the training set in `folder`, of whatever kind, was made of."""
    made: dict[str, int] = json.loads((folder / RECORD).read_bytes())["table_versions"]
    return made
