"""The asset `simple_models`: the floor under quality."""

from collections.abc import Sequence
from functools import partial

import dagster as dg
import polars as pl

from assets.code_version import code_version
from assets.data_version import digest
from assets.metadata import choices_table, markdown_table
from assets.resources import NO_CONFIG, LakeResource
from assets.training.assets import training_set_of_run
from assets.training.set_assets import training_set
from assets.training.settings import TrainingSettings
from assets.training.simple_models import SECTION, VALIDATION, Floor, SimpleVersion
from assets.training.training_set import TrainingSetSettings
from assets.training.version import new_manifest
from assets.versions import TRAINING_SET, VERSION
from models.auto import Choice
from models.fitted.config import PopularityConfig


@dg.asset(
    deps=[training_set],
    group_name="training",
    kinds={"numpy", "scipy"},
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    description="The floor under quality: a new version each of popularity, item-kNN and iALS, fitted to the run's "
    "training set. The evaluation measures them beside the model, and the best is released.",
)
def simple_models(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    training: dg.ResourceParam[TrainingSettings],
    set_settings: dg.ResourceParam[TrainingSetSettings],
) -> dg.MaterializeResult[None]:
    tables, settings = lake.open(), training.simple_models
    folder, record = training_set_of_run(context, tables, set_settings)
    learned = record.settings.training
    manifest_of = partial(
        new_manifest,
        lake.profile,
        settings=training,
        training_set=record,
        positive_actions=learned.positive_actions,
        merge_adjacent=learned.merge_adjacent,
        split=record.settings.evaluation,
    )
    floor = Floor(folder, manifest_of, training.workers * training.threads_per_worker, context.log.info)
    popularity = floor.write(tables, PopularityConfig(half_life_days=learned.popularity_half_life_days))
    versions, failed = [popularity], dict[str, str]()
    item_knn = settings.item_knn.model_copy(update={"repeats": floor.dataset.repeats})
    for config in (item_knn, settings.ials):
        try:
            versions.append(floor.write(tables, config, _left_to_data(training, config.family)))
        except Exception as error:  # Of a night without one of them another version is the best.
            failed[config.family] = f"{type(error).__name__}: {error}"
            context.log.warning(f"{config.family} takes no part tonight, it could not be fitted: {error}")
    return dg.MaterializeResult(
        metadata={
            TRAINING_SET: record.name,
            VERSION: popularity.manifest.version,
            "cutoff": record.cutoff.isoformat(),
            "users": len(floor.training),
            "interactions": int(floor.training.offsets[-1]),
            "versions": dg.MetadataValue.md(markdown_table(_table(versions))),
            "chosen": dg.MetadataValue.md(choices_table(_choices(versions))),
            **{f"{version.config.family}_seconds": version.seconds for version in versions},
            **{f"{family}_failed": why for family, why in failed.items()},
            **{f"{version.config.family}_artifact": dg.MetadataValue.path(str(version.folder)) for version in versions},
        },
        data_version=dg.DataVersion(
            digest(code_version(), record.content_digest, [version.config for version in versions])
        ),
    )


def _left_to_data(training: TrainingSettings, family: str) -> list[str]:
    """Keys of `training.simple_models.<family>` that the profile leaves to the data."""
    section = f"simple_models.{family}."
    return [path.removeprefix(section) for path in training.left_to_data if path.startswith(section)]


def _choices(versions: Sequence[SimpleVersion]) -> dict[str, Choice]:
    """What the data decided, by its path in the profile."""
    every = {path: choice for version in versions for path, choice in version.manifest.chosen.items()}
    return {path: choice for path, choice in every.items() if path.startswith(SECTION)}


def _table(versions: Sequence[SimpleVersion]) -> pl.DataFrame:
    told = [(version.config.family, version.manifest) for version in versions]
    rows = [(family, manifest.version, manifest.training_metrics.get(VALIDATION)) for family, manifest in told]
    return pl.DataFrame(rows, {"family": pl.String, "version": pl.String, VALIDATION: pl.Float64}, orient="row")
