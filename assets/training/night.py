"""Where a night's training starts, and by which settings it goes from there."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from assets.training.auto import Parent, Statistics, choose_training
from assets.training.dataset import read_dataset
from assets.training.settings import TrainingSettings
from assets.training.start import start_of
from assets.training.version import fitted
from assets.versions import ARTIFACTS, artifacts_of, newest_champion_of_family
from models.auto import Choice
from models.config.model import TrainedConfig
from models.families.registry import read_config
from models.manifest import Manifest
from storage.lake import Lake


def champion_to_start_from(
    lake: Lake,
    settings: TrainingSettings,
    dataset: Path,
    workers: int,
    manifest: Manifest,
    tell: Callable[[str], None],
) -> Path | None:
    """The folder of the champion from which training goes on; None where it starts from scratch, which is told.

    Args:
        settings: As the profile has them.
        dataset: Folder of the training set.
        workers: As `settled` takes them.
        manifest: That of the version to be trained, so far.
    """
    champion = newest_champion_of_family(lake)
    if champion is None:
        tell("there is no champion to start from yet: training starts from scratch")
        return None
    with suppress(OSError, ValueError):  # What is damaged is told of below.
        settings, _ = settled(settings, dataset, workers, artifacts_of(lake) / champion)
    model = fitted(settings.model, settings, dataset)
    return start_of(lake, ARTIFACTS, champion, model, manifest, tell)


def settled(
    settings: TrainingSettings, dataset: Path, workers: int, start: Path | None
) -> tuple[TrainingSettings, dict[str, Choice]]:
    """The settings with what the training set decides, and that by its path in the profile.

    Args:
        workers: Processes that train together; 0 is this one alone.
        start: Folder of the version that training goes on from; None: from scratch.
    """
    found = Statistics.of(read_dataset(dataset))
    settings, chosen = choose_training(settings, found, max(1, workers), _parent(start) if start else None)
    return settings, {f"training.{path}": choice for path, choice in chosen.items()}


def _parent(folder: Path) -> Parent:
    config = read_config(folder)
    assert isinstance(config, TrainedConfig)
    return Parent(folder.name, config)
