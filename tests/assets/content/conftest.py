"""A synthetic catalogue whose posters show what its texts say, and a tower small enough to train in a test."""

import io
import json
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from assets.content.settings import AdaptSettings, ImageSettings
from storage.schema import items_schema

os.environ.setdefault("HF_HUB_OFFLINE", "1")

DAY = date(2026, 1, 1)
COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200), "white": (240, 240, 240)}


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def poster(top: str, bottom: str, seed: int = 0) -> bytes:
    """Two halves of colour with a little noise, 20 pixels a side."""
    pixels = np.zeros((20, 20, 3), np.int64)
    pixels[:10], pixels[10:] = COLOURS[top], COLOURS[bottom]
    noise = np.random.default_rng(seed).integers(-8, 8, pixels.shape)
    return encoded(Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8)))


def items_frame(rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    """Rows of the items table; what a row leaves out is null."""
    schema = items_schema("int64")
    defaults = {name: None for name in schema} | {"available_from": datetime(2026, 1, 1, tzinfo=UTC), "day": DAY}
    return pl.DataFrame([defaults | row for row in rows], schema=schema)


def catalogue_rows(n: int) -> list[dict[str, object]]:
    """Items 0..n-1, every pair of colours in turn, told in the title and shown in the image; no two are alike."""
    pairs = [(top, bottom) for top in COLOURS for bottom in COLOURS]
    return [
        {"item_id": i, "title": f"{top} above {bottom} number {i}", "image_bytes": poster(top, bottom, seed=i)}
        for i, (top, bottom) in ((i, pairs[i % len(pairs)]) for i in range(n))
    ]


@pytest.fixture(scope="session")
def tiny_architecture(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = Path(tmp_path_factory.mktemp("towers")) / "tiny-test-tower.json"
    vision = {"image_size": 16, "patch_size": 8, "width": 32, "head_width": 16, "layers": 1}
    text = {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 1, "layers": 1}
    path.write_text(json.dumps({"embed_dim": 12, "vision_cfg": vision, "text_cfg": text}))
    return str(path)


@pytest.fixture(scope="session")
def tiny_settings(tiny_architecture: str) -> ImageSettings:
    """Mode adapt in exact arithmetic with the tiny tower."""
    adapt = AdaptSettings(
        epochs=2, batch=16, learning_rate=3e-3, minimum_pairs=40, holdout=0.3, validation=0.2, patch_dropout=0.0
    )
    return ImageSettings(architecture=tiny_architecture, precision="fp32", adapt=adapt)
