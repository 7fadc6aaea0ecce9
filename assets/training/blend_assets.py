"""The asset `blended_model`: the model of the run, mixed with its item-kNN."""

from functools import partial

import dagster as dg

from assets.data_version import data_version
from assets.metadata import choices_table
from assets.resources import NO_CONFIG, LakeResource
from assets.training.assets import hstu_model, training_set_of_run
from assets.training.blend import WEIGHT, NothingToBlend, write_blend
from assets.training.set_assets import training_set
from assets.training.settings import TrainingSettings
from assets.training.simple_assets import simple_models
from assets.training.training_set import TrainingSetSettings
from assets.training.version import new_manifest
from assets.versions import (
    SKIPPED,
    TRAINING_SET,
    VERSION,
    artifact_of,
    made_of_set,
    version_in_question,
    why_skipped,
)
from models.families.item_knn import ItemKnn
from models.manifest import MODEL_CARD, read_manifest


@dg.asset(
    deps=[training_set, simple_models, hstu_model],
    group_name="training",
    kinds={"pytorch", "scipy"},
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    description="A version that mixes the run's model and its item-kNN, where held-out users say that it pays.",
)
def blended_model(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    training: dg.ResourceParam[TrainingSettings],
    set_settings: dg.ResourceParam[TrainingSetSettings],
) -> dg.MaterializeResult[None]:
    tables = lake.open()
    folder, record = training_set_of_run(context, tables, set_settings)
    learned, version_of_data = record.settings.training, data_version(context, training)

    def skipped(why: str) -> dg.MaterializeResult[None]:
        context.log.info(f"nothing is blended: {why}")
        return dg.MaterializeResult(metadata={SKIPPED: why, TRAINING_SET: record.name}, data_version=version_of_data)

    if why := why_skipped(context, "hstu_model"):
        return skipped(f"no model was trained: {why}")
    model = artifact_of(tables, version_in_question(context, tables, "hstu_model"))
    item_knn = made_of_set(tables, record.name).get(ItemKnn.name)
    if item_knn is None or read_manifest(model).training_set != record.name:
        return skipped("the training set has no version of both, the model and item-kNN")
    manifest_of = partial(
        new_manifest,
        lake.profile,
        settings=training,
        training_set=record,
        positive_actions=learned.positive_actions,
        merge_adjacent=learned.merge_adjacent,
        split=record.settings.evaluation,
    )
    by_hand = None if WEIGHT in training.left_to_data else training.blend.weight
    try:
        written, manifest = write_blend(tables, manifest_of, model, item_knn, folder, by_hand)
    except NothingToBlend as error:
        return skipped(str(error))
    except Exception as error:  # Of a night without a blend another version is the best.
        context.log.warning(f"the blend takes no part tonight: {error}", exc_info=True)
        return skipped(f"it failed: {type(error).__name__}: {error}")
    return dg.MaterializeResult(
        metadata={
            VERSION: manifest.version,
            TRAINING_SET: record.name,
            "cutoff": record.cutoff.isoformat(),
            **manifest.parts,
            "chosen": dg.MetadataValue.md(choices_table(manifest.chosen)),
            "model_card": dg.MetadataValue.md((written / MODEL_CARD).read_text()),
            "artifact": dg.MetadataValue.path(str(written)),
        },
        data_version=version_of_data,
    )
