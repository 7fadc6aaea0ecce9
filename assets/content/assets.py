"""The assets of each modality, such as `text_embeddings`, and `content_embeddings`, and their checks."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import dagster as dg
import polars as pl
import polars_hash as plh

from assets.content.content_embeddings import content_table
from assets.content.image_embeddings import ImageEmbeddings, image_table
from assets.content.incremental import Embedded, no_vectors
from assets.content.number_embeddings import number_table
from assets.content.plots import learning_curve, neighbour_sheet
from assets.content.recall import LEAST_IMAGES
from assets.content.settings import ContentSettings, ImageSettings
from assets.content.tag_embeddings import CATEGORIES_WIDTH, TAGS_WIDTH, tag_table
from assets.content.text_embeddings import text_encoder_key, text_table
from assets.content.tower_training import AdaptReport
from assets.items.catalogue import catalogue, catalogue_at
from assets.metadata import markdown_table, table_metadata
from assets.resources import NO_CONFIG, LakeResource
from assets.sources.ledger import landing_folders
from assets.splits.auto import cutoff_day
from assets.splits.settings import CutoffSettings
from models.columns import CATEGORIES, CONTENT_HASH, ENCODER, ITEM_ID, REASON, TAGS, VECTOR
from models.markdown import escaped
from storage.lake import Lake
from storage.schema import (
    CATEGORY_TABLE,
    CONTENT_TABLE,
    IMAGE_TABLE,
    MODALITIES,
    NUMBER_TABLE,
    TAG_TABLE,
    TEXT_TABLE,
    has,
)

RECALL_CHECK = "image_to_text_recall_at_1_beats_chance"
SIGNIFICANCE = 0.01
"""The check passes where so many first places would come by chance in one of a hundred catalogues at most."""


@dg.asset(
    deps=["items", "sequences", "data_report"],
    kinds={"sentencetransformers", "delta"},
    description="One vector per item from its title, categories and description; unchanged texts keep theirs.",
    group_name="content",
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
)
def text_embeddings(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    content: dg.ResourceParam[ContentSettings],
    cutoff_settings: dg.ResourceParam[CutoffSettings],
) -> dg.MaterializeResult[None]:
    tables = lake.open_for_writing()
    items = _catalogue_at_cutoff(tables, cutoff_settings, lake.rows_in_memory)
    table = text_table(items, _known(tables, TEXT_TABLE), content.text, context.log.info)
    return _written(tables, TEXT_TABLE, table, text_encoder_key(content.text), cut_short=table.cut_short)


@dg.asset(
    deps=["items", "sequences", "data_report", text_embeddings],
    kinds={"pytorch", "delta"},
    description="One vector per item from its image, by an open_clip tower; unchanged images keep theirs.",
    check_specs=[
        dg.AssetCheckSpec(
            RECALL_CHECK,
            asset="image_embeddings",
            description="Held-out images find their own text more often than by chance.",
        )
    ],
    group_name="content",
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
)
def image_embeddings(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    content: dg.ResourceParam[ContentSettings],
    cutoff_settings: dg.ResourceParam[CutoffSettings],
) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster wants it bare beside check_specs
    tables = lake.open_for_writing()
    settings = _image_settings(tables, content)
    embeddings = image_table(
        _catalogue_at_cutoff(tables, cutoff_settings, lake.rows_in_memory),
        tables.scan(TEXT_TABLE).collect(),
        _known(tables, IMAGE_TABLE),
        tables.folder("image_towers"),
        settings,
        context.log.info,
    )
    return _written(
        tables,
        IMAGE_TABLE,
        embeddings.table,
        embeddings.encoder,
        check_results=[_recall_check(embeddings.adapted, settings.mode)],
        mode=settings.mode,
        **_image_metadata(embeddings),
    )


def _fitted_to_nothing(table: str, embed: Callable[[pl.LazyFrame], Embedded], description: str) -> dg.AssetsDefinition:
    """The asset of a modality whose encoder has no weights, so that all vectors are made anew."""

    @dg.asset(
        name=table,
        deps=["items", "sequences", "data_report"],
        kinds={"polars", "delta"},
        description=description,
        group_name="content",
        owners=["team:ml"],
        backfill_policy=dg.BackfillPolicy.single_run(),
        config_schema=NO_CONFIG,
    )
    def embeddings(lake: LakeResource, cutoff_settings: dg.ResourceParam[CutoffSettings]) -> dg.MaterializeResult[None]:
        tables = lake.open_for_writing()
        items = _catalogue_at_cutoff(tables, cutoff_settings, lake.rows_in_memory)
        made = embed(items)
        return _written(tables, table, made, made.encoder)

    return embeddings


category_embeddings = _fitted_to_nothing(
    CATEGORY_TABLE,
    partial(tag_table, column=CATEGORIES, width=CATEGORIES_WIDTH),
    "One vector per item of its categories: the sum of a fixed direction for each.",
)
tag_embeddings = _fitted_to_nothing(
    TAG_TABLE,
    partial(tag_table, column=TAGS, width=TAGS_WIDTH),
    "One vector per item of its tags, such as its brand or its director: the sum of a fixed direction for each.",
)
number_embeddings = _fitted_to_nothing(
    NUMBER_TABLE,
    number_table,
    "One vector per item of its numbers, such as its year or its price, each by its place among the others.",
)


@dg.asset(
    deps=list(MODALITIES.values()),
    kinds={"polars", "delta"},
    description="One vector per item: its modalities side by side, zeros where an item has no such content.",
    group_name="content",
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
)
def content_embeddings(lake: LakeResource, content: dg.ResourceParam[ContentSettings]) -> dg.MaterializeResult[None]:
    tables = lake.open_for_writing()
    frame = content_table({name: tables.scan(table).collect() for name, table in MODALITIES.items()})
    tables.overwrite(CONTENT_TABLE, frame)
    sheet = neighbour_sheet(catalogue(tables), frame, _image_settings(tables, content))
    return dg.MaterializeResult(
        data_version=_data_version(frame),
        metadata=_table_metadata(
            frame,
            **{f"items_with_{name}": int(frame[has(name)].sum()) for name in MODALITIES},
            items_without_content=frame[CONTENT_HASH].null_count(),
            nearest_neighbours=dg.MetadataValue.md(sheet),
        ),
    )


def _row_check(asset: dg.AssetsDefinition, table: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset,
        name=f"{table}_cover_the_catalogue",
        description="Each item of the catalogue has a row.",
        config_schema=NO_CONFIG,
    )
    def every_item_has_a_row(lake: LakeResource) -> dg.AssetCheckResult:
        tables = lake.open()
        missing = catalogue(tables).select(ITEM_ID).join(tables.scan(table), on=ITEM_ID, how="anti").collect()
        return dg.AssetCheckResult(
            passed=missing.is_empty(),
            metadata={"items_without_row": missing.height, "examples": str(missing[ITEM_ID].head(5).to_list())},
        )

    return every_item_has_a_row


text_rows = _row_check(text_embeddings, TEXT_TABLE)
image_rows = _row_check(image_embeddings, IMAGE_TABLE)
category_rows = _row_check(category_embeddings, CATEGORY_TABLE)
tag_rows = _row_check(tag_embeddings, TAG_TABLE)
number_rows = _row_check(number_embeddings, NUMBER_TABLE)
content_rows = _row_check(content_embeddings, CONTENT_TABLE)


def _catalogue_at_cutoff(tables: Lake, settings: CutoffSettings, rows_in_memory: int) -> pl.LazyFrame:
    """What the next version may know of the items: how one was described later would tell training of the future."""
    day = cutoff_day(tables, settings, rows_in_memory)
    return catalogue_at(tables, day) if day else catalogue(tables)


def _image_settings(tables: Lake, content: ContentSettings) -> ImageSettings:
    """The profile's, with the folders of the catalogue's own files among those that images are read from."""
    folders = landing_folders(tables, "items")
    return content.image.model_copy(update={"roots": (*content.image.roots, *folders)})


def _known(tables: Lake, table: str) -> pl.DataFrame:
    return tables.scan(table).select(CONTENT_HASH, VECTOR).collect() if tables.exists(table) else no_vectors()


def _written(
    tables: Lake,
    name: str,
    table: Embedded,
    encoder: str | None,
    check_results: list[dg.AssetCheckResult] | None = None,
    **more: Any,
) -> dg.MaterializeResult[None]:
    """Writes the embeddings of a modality, with what made them."""
    tables.overwrite(name, table.frame.with_columns(pl.lit(encoder, pl.String).alias(ENCODER)))
    without = table.frame[CONTENT_HASH].null_count()
    return dg.MaterializeResult(
        data_version=_data_version(table.frame),
        check_results=check_results or [],
        metadata=_table_metadata(
            table.frame,
            embedded=table.embedded,
            reused=table.reused,
            without_content=without,
            encoder=encoder or "none",
            embedded_per_second=table.embedded / table.seconds if table.embedded else 0.0,
            **more,
        ),
    )


def _table_metadata(frame: pl.DataFrame, **more: Any) -> Mapping[str, Any]:
    """Dimensions instead of a hundred numbers in the preview."""
    dims = pl.col(VECTOR).list.len().alias("dimensions")
    preview = frame.head().with_columns(dims).drop(VECTOR)
    return {
        **table_metadata(frame.head(0), frame.height, **more),
        "dimensions": int(frame[VECTOR].list.len().max() or 0),  # type: ignore[arg-type]
        "preview": dg.MetadataValue.md(markdown_table(preview)),
    }


def _image_metadata(embeddings: ImageEmbeddings) -> dict[str, Any]:
    rejected = embeddings.rejected.group_by(REASON).agg(
        pl.len().alias("items"), pl.col(ITEM_ID).head(3).alias("examples")
    )
    metadata: dict[str, Any] = {
        "unusable_images": embeddings.rejected.height,
        "unusable_by_reason": dg.MetadataValue.md(markdown_table(rejected.sort("items", descending=True))),
    }
    if embeddings.adapted:
        metadata |= {
            "trained_now": embeddings.trained_now,
            "training_pairs": embeddings.adapted.pairs,
            "training_seconds": sum(epoch.seconds for epoch in embeddings.adapted.epochs),
            "learning_curve": dg.MetadataValue.md(learning_curve(embeddings.adapted)),
        }
    return metadata


def _recall_check(report: AdaptReport | None, mode: str) -> dg.AssetCheckResult:
    if report is None:
        return _not_measured(f"no image tower was trained on the catalogue (mode {mode})")
    recall = report.recall
    if recall is None:
        return _not_measured(
            f"{report.held_out} held-out pairs share neither picture nor text with another, {LEAST_IMAGES} are needed: "
            "raise content.image.adapt.holdout"
        )
    return dg.AssetCheckResult(
        check_name=RECALL_CHECK,
        passed=recall.p_value < SIGNIFICANCE,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"recall@1 {recall.at_1:.3f} against {recall.chance_at_1:.3f} by chance (p = {recall.p_value:.2g})",
        metadata={
            "recall_at_1": recall.at_1,
            "chance_at_1": recall.chance_at_1,
            "recall_at_10": recall.at_10,
            "chance_at_10": recall.chance_at_10,
            "held_out_pairs": recall.candidates,
            "p_value": recall.p_value,
            "measured": True,
        },
    )


def _not_measured(why: str) -> dg.AssetCheckResult:
    """Neither green nor an error: nothing was found out."""
    return dg.AssetCheckResult(
        check_name=RECALL_CHECK,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=escaped(f"Not measured: {why}."),
        metadata={"measured": False},
    )


def _data_version(frame: pl.DataFrame) -> dg.DataVersion:
    """Equal for equal contents and encoders: a night without changes leaves what follows up to date."""
    hashes = frame.select(plh.hash_rows(ITEM_ID, CONTENT_HASH).nchash.xxhash64()).to_series()
    return dg.DataVersion(f"{frame.height}-{hashes.sum():x}")
