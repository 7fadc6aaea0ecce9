"""The contact sheet of neighbours, whose titles are somebody's texts."""

import polars as pl
import pytest

from assets.content.plots import neighbour_sheet
from assets.content.settings import ImageSettings
from storage.schema import content_schema

TITLES = ["$\\frac{$ x", "$a$ for $b$", "\\$1 [x](y)", "a_b^c {", "%s\n$$"]


@pytest.mark.filterwarnings("ignore:Glyph")
def test_no_title_is_taken_for_a_formula() -> None:
    ids = [str(number) for number in range(len(TITLES))]
    items = pl.LazyFrame({"item_id": ids, "title": TITLES}).with_columns(
        pl.lit(None, pl.String).alias("image"), pl.lit(None, pl.Binary).alias("image_bytes")
    )
    content = pl.DataFrame(
        {"item_id": ids, "content_hash": ids, "vector": [[1.0, n] for n in range(len(ids))]},
        schema_overrides={"vector": pl.List(pl.Float32)},
    )
    schema = content_schema("string")
    flags = (pl.lit(name == "has_text").alias(name) for name in schema if name.startswith("has_"))
    content = content.with_columns(pl.lit(None, schema["modalities"]).alias("modalities"), *flags)
    assert dict(content.schema) == schema
    assert neighbour_sheet(items, content, ImageSettings()).startswith("![items")
