"""The blend: how much item-kNN adds to a trained model, told by the users whom both have not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assets.training.dataset import Dataset, read_dataset
from assets.training.simple_models import FEWEST_USERS, HeldOutUsers
from assets.versions import ARTIFACTS
from models.auto import Choice
from models.config.model import ModelConfig
from models.families.blend import Blend
from models.manifest import Manifest
from storage.lake import Lake

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.artifact import Artifact
    from models.fitted.blend import BlendModel
    from models.fitted.item_knn import ItemKnnModel

WEIGHT = "blend.weight"
"""Its path within `training`."""

WEIGHTS = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8)

K = 10


class NothingToBlend(ValueError):
    """Two versions are not mixed; the message says why."""


def write_blend(
    lake: Lake,
    manifest_of: Callable[..., Manifest],
    recommender_folder: Path,
    item_knn_folder: Path,
    dataset_folder: Path,
    by_hand: float | None,
) -> tuple[Path, Manifest]:
    """Mixes two versions that were made of one training set, and writes the artifact of the blend.

    Args:
        manifest_of: Begins the manifest of a version (`assets.training.version.new_manifest`), as `Floor` has it.
        by_hand: The weight of item-kNN; None: what the held-out users say.

    Raises:
        NothingToBlend: it would not pay, or they cannot be mixed.
    """
    from models.artifact import load_artifact, save_artifact
    from models.families.item_knn import ItemKnn

    recommender, item_knn = load_artifact(recommender_folder), load_artifact(item_knn_folder)
    dataset = read_dataset(dataset_folder)
    _refuse_unfit(recommender, item_knn, dataset)
    if by_hand is None:
        unseen = ItemKnn().fit(item_knn.model.config, dataset.histories, dataset.vocabulary)
        chosen = choose_weight(recommender, unseen, dataset)
        weight, told = float(chosen.value), {f"training.{WEIGHT}": chosen}
    else:
        weight, told = by_hand, {}
    if not weight:
        raise NothingToBlend(told[f"training.{WEIGHT}"].reason if told else "the profile gives item-kNN no weight")
    parts = {part.family.name: part.version for part in (recommender, item_knn)}
    manifest = manifest_of(Blend.name, chosen=told).model_copy(update={"parts": parts})
    model = blended(recommender, item_knn.model, weight)
    return save_artifact(lake.folder(ARTIFACTS), manifest, model, recommender.vocabulary), manifest


def _refuse_unfit(recommender: Artifact, item_knn: Artifact, dataset: Dataset) -> None:
    if not isinstance(recommender.model.config, ModelConfig):
        raise NothingToBlend(f"versions of the family {recommender.family.name} are not mixed with others")
    items = dataset.vocabulary.item_ids
    for part in (recommender, item_knn):
        if not part.vocabulary.item_ids.equals(items):
            raise NothingToBlend(f"{part.version} was made of other items than the training set has")


def blended(recommender: Artifact, item_knn: ItemKnnModel, weight: float) -> BlendModel:
    """The model of both."""
    from models.fitted.blend import BlendModel
    from models.fitted.config import BlendConfig

    config, training = recommender.model.config, recommender.manifest.training
    # A head without popularity gives cosines, which training divides by the loss's temperature.
    temperature = training.loss.temperature if training and not config.popularity else 1.0
    return BlendModel(
        BlendConfig(
            recommender=config,
            item_knn=item_knn.config,
            max_length=max(config.max_length, item_knn.config.max_length),
            weight=weight,
            temperature=temperature,
        ),
        recommender.model,
        item_knn,
        recommender.vectors,
    )


def choose_weight(recommender: Artifact, item_knn: ItemKnnModel, dataset: Dataset) -> Choice:
    """The weight of item-kNN whose gain in NDCG@10, less its standard error, is the greatest; 0 where there is none.

    The error keeps the weight from following a few users, as the gain of a small weight is known more exactly.

    Args:
        recommender: Trained on `dataset`, with its held-out interactions left out.
        item_knn: Fitted to `dataset.histories`, which leave them out, too.
    """
    held_out = HeldOutUsers.of(dataset)
    asked = len(held_out.cases)
    if asked < FEWEST_USERS:
        return Choice(value=0.0, reason=f"{asked} users could be held out, too few to tell what item-kNN adds.")
    values = _ndcg_by_weight(recommender, item_knn, held_out)
    gains = {weight: of - values[0.0] for weight, of in values.items()}
    certain = {weight: gain.mean() - gain.std() / np.sqrt(asked) for weight, gain in gains.items()}
    weight = max(certain, key=lambda weight: (certain[weight], -weight))
    told = ", ".join(f"{of.mean():.4f} with {tried:g}" for tried, of in values.items())
    why = f"NDCG@10 of {asked:,} held-out users is {told}; the gain less its standard error is the greatest with it."
    return Choice(value=weight, reason=why)


def _ndcg_by_weight(
    recommender: Artifact, item_knn: ItemKnnModel, held_out: HeldOutUsers
) -> Mapping[float, NDArray[np.float64]]:
    """Weight to (B,) NDCG@10 of the held-out users, items of the history excluded."""
    from models.evaluation.evaluate import RankingSettings, batch_size
    from models.evaluation.metrics import ndcg
    from models.evaluation.ranking import rank
    from models.fitted.blend import had_by, mixed, scores_of_parts

    blend, catalogue = replace(recommender, model=blended(recommender, item_knn, 0.0)), held_out.catalogue
    found: dict[float, list[NDArray[np.float64]]] = {weight: [] for weight in (0.0, *WEIGHTS)}
    for batch in held_out.cases.batches(batch_size(catalogue, RankingSettings())):
        logits, similarities = scores_of_parts(blend, batch.histories, batch.request_times)
        had = had_by(batch.histories, catalogue.items, batch.repeats)
        for weight, values in found.items():
            scores = mixed(logits, similarities, had, item_knn.related, weight).numpy()
            values.append(ndcg(rank(scores, batch, catalogue, K).ranks, batch.target_offsets, K))
    return {weight: np.concatenate(values) for weight, values in found.items()}
