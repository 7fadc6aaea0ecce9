"""Real posters and plots through the whole stage; skipped where the data is not there."""

from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import polars as pl

from assets.content.assets import (
    category_embeddings,
    content_embeddings,
    image_embeddings,
    number_embeddings,
    tag_embeddings,
    text_embeddings,
)
from assets.content.settings import ContentSettings
from assets.resources import Storage
from assets.splits.settings import CutoffSettings, SplitSettings
from storage.lake import Lake
from storage.literal_paths import scan_parquet
from storage.schema import CONTENT_TABLE, ITEMS_TABLE, items_schema
from storage.vectors import to_matrix
from tests.real_data import DATA, needs

FOLDER = DATA / "ml-1m"
DAY = date(2000, 1, 1)

pytestmark = needs(FOLDER / "posters.parquet")


def movies(n: int) -> pl.DataFrame:
    posters = scan_parquet(FOLDER / "posters.parquet").select("movie_id", "jpeg")
    frame = scan_parquet(FOLDER / "items.parquet").head(n).join(posters, on="movie_id", how="left").collect()
    return frame.select(
        pl.col("movie_id").cast(pl.Int64).alias("item_id"),
        "title",
        pl.col("plot").alias("description"),
        pl.col("genres").alias("categories"),
        pl.concat_list(pl.lit("director=") + pl.col("director")).list.drop_nulls().alias("tags"),
        pl.concat_list(pl.struct(name=pl.lit("year"), value=pl.col("year").cast(pl.Float64))).alias("numbers"),
        pl.lit(None, pl.String).alias("image"),
        pl.col("jpeg").alias("image_bytes"),
        pl.lit(datetime(2000, 1, 1, tzinfo=UTC)).cast(pl.Datetime("ms", "UTC")).alias("available_from"),
        pl.lit(DAY).alias("day"),
    ).cast(pl.Schema(items_schema("int64")))


def test_real_posters_and_plots_become_content_vectors(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.replace_days(ITEMS_TABLE, movies(300), [DAY])
    result = dg.materialize(
        [text_embeddings, image_embeddings, category_embeddings, tag_embeddings, number_embeddings, content_embeddings],
        resources={
            "lake": Storage(root=lake.root, id_type="int64"),
            "cutoff_settings": CutoffSettings(positive_actions=("click",), split=SplitSettings()),
            "content": ContentSettings.model_validate(
                {"image": {"adapt": {"epochs": 1}}, "text": {"max_length": 64, "windows": 1}}
            ),
        },
    )
    assert result.success
    content = lake.scan(CONTENT_TABLE).collect()
    assert content.height == 300
    assert content["has_text"].all()
    assert content["has_image"].sum() > 290
    assert content["has_categories"].all()
    assert content["has_tags"].sum() > 20, "directors of two of these films"
    assert content["has_numbers"].all()
    vectors = dict(zip(content["item_id"], to_matrix(content["vector"])[:, :384], strict=True))
    toy_story, balto, heat = (vectors[movie] for movie in (1, 13, 6))
    assert toy_story @ balto > toy_story @ heat
