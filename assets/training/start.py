"""Which version a new one starts from, and why it may not."""

from dataclasses import dataclass
from pathlib import Path

from models.config import FamilyConfig
from models.families.registry import read_config
from models.manifest import Manifest, read_manifest

FROM_SCRATCH = "training starts from scratch"


@dataclass(frozen=True)
class Start:
    """Where training starts.

    Attributes:
        folder: Of the version whose weights it starts from; None: from scratch.
        sentence: Says so, and why.
    """

    folder: Path | None
    sentence: str

    @property
    def version(self) -> str | None:
        """The version that it starts from."""
        return self.folder.name if self.folder else None


def starting_point(versions: Path, parent: str | None, model: FamilyConfig, manifest: Manifest) -> Start:
    """Where the training of a version starts that asks for a parent.

    What cannot be started from is no error: a nightly run goes on, and says what it did and what to do.

    Args:
        versions: Folder with the versions of the family, or their ablations.
        parent: The version to start from; None where there is none yet.
        model: Configuration of the version to be trained.
        manifest: Its manifest so far.
    """
    if parent is None:
        return Start(None, f"there is no version to start from yet: {FROM_SCRATCH}")
    why = _why_not(versions / parent, model, manifest)
    if why:
        return Start(None, f"{FROM_SCRATCH}, not from version {parent}: {why}")
    return Start(versions / parent, f"training starts from version {parent}")


def _why_not(folder: Path, model: FamilyConfig, manifest: Manifest) -> str | None:
    from models.warm_start import differences, read_parent

    try:
        theirs, config = read_manifest(folder), read_config(folder)
        read_parent(folder)
    except (OSError, ValueError) as error:
        return f"it is missing, damaged or of an earlier release ({error}); the version trained now can be started from"
    if theirs.cutoff > manifest.cutoff:
        return (
            f"it was trained until {theirs.cutoff:%Y-%m-%d %H:%M}, so it has seen what this version is asked; promote "
            f"one that was trained until {manifest.cutoff:%Y-%m-%d %H:%M} at most"
        )
    held_out = {"held_out_users", "held_out_seed", "held_out_ties"}
    others = differences(manifest.model_dump(include=held_out), theirs.model_dump(include=held_out))
    if others:
        return (
            f"it held out other interactions ({', '.join(others)}), so it has seen some that this version is asked; "
            "set these settings of `evaluation` back, or go on: the version trained now can be started from"
        )
    wrong = differences(model.model_dump(mode="json"), config.model_dump(mode="json"))
    if wrong:
        return (
            f"its model is another ({', '.join(wrong)}); set that back, or go on: the version trained now can be "
            "started from once it is champion"
        )
    return None
