"""Adapted image towers on disk: trained once, reused until the catalogue has moved on, replaced whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import polars as pl

from assets.content.encoders import Progress
from assets.content.recall import Recall
from assets.content.settings import ImageSettings
from assets.content.split import PART, PARTS, PICTURE_HASH, TEXT_HASH, Split, split
from assets.content.tower import ImageTower, architecture_config, build_trainable, weights_on_disk
from assets.content.tower_training import AdaptReport, Epoch, Pairs, adapt, trainable
from models.columns import CONTENT_HASH, VECTOR
from storage.literal_paths import read_parquet
from storage.vectors import to_matrix

WEIGHTS, CONFIG, SEEN = "tower.safetensors", "config.json", "pairs.parquet"

RULES = "by picture and text, for good; families are no negatives"
"""Names how pairs are held out and told apart: a tower that learned by other rules is not used again."""

LoadPixels = Callable[[pl.DataFrame, ImageTower], tuple[pl.DataFrame, Any]]
"""Decodes the images of `pairs` for a tower: the rows that decoded, and their (n, 3, h, w) uint8 pixels."""


@dataclass(frozen=True)
class AdaptedTower:
    """A tower with the report of its training, and whether that took place just now."""

    tower: ImageTower
    report: AdaptReport
    trained_now: bool


def adapted_tower(
    folder: Path, pairs: pl.DataFrame, load_pixels: LoadPixels, settings: ImageSettings, progress: Progress
) -> AdaptedTower | None:
    """The newest tower in `folder` that fits `settings` and has seen enough of `pairs`; trains one if there is none.

    Args:
        pairs: One row per (image, text) pair, each pair once: `content_hash` of the pair, `image_hash`, `text_hash`,
            the text's `vector`.

    Returns:
        None where too few images can be read, or too few differ, to train a tower.

    Raises:
        EncoderUnavailable: the tower to start from cannot be loaded.
    """
    dims = pairs[VECTOR].list.len()[0]
    recipe = _recipe(settings, dims)
    reusable = _newest(folder, recipe, pairs, settings.adapt.retrain_after)
    if reusable is not None:
        return AdaptedTower(_load(reusable, settings, dims), _load_report(reusable), trained_now=False)
    key = f"{recipe}-{_digest(pairs[CONTENT_HASH].sort().to_list())}"
    tower = build_trainable(settings, dims, key)
    progress(f"image tower: training {settings.architecture} on {pairs.height} (image, text) pairs")
    decoded, pixels = load_pixels(pairs, tower)
    texts = to_matrix(decoded[VECTOR])
    found = split(decoded, pixels, settings.adapt, _earlier(folder, recipe))
    parts = {part: Pairs(pixels[rows], texts[rows], found.family[rows]) for part, rows in found.rows.items()}
    if decoded.height < settings.adapt.minimum_pairs or not trainable(parts):
        told_apart = ", ".join(f"{len(found)} {part}" for part, found in parts.items())
        progress(
            f"image tower: {decoded.height} of {pairs.height} (image, text) pairs have a usable image, and pairs that "
            f"share a picture or a text count as one ({told_apart}): too few to train on, so no image has a vector"
        )
        return None
    report = adapt(tower, parts, settings, progress)
    _save(folder / key, tower, settings, report, _seen(pairs, decoded, found))
    return AdaptedTower(tower, report, trained_now=True)


def _recipe(settings: ImageSettings, dims: int) -> str:
    """Names everything but the pairs that decides what a tower becomes."""
    training = settings.adapt.model_dump(exclude={"retrain_after", "minimum_pairs"})
    start = [settings.pretrained, weights_on_disk(settings)]
    return _digest([RULES, training, start, settings.image_size, architecture_config(settings), dims])


def _seen(pairs: pl.DataFrame, decoded: pl.DataFrame, found: Split) -> pl.DataFrame:
    """All `pairs` by their hashes, with the part in which each `decoded` one is."""
    parts = decoded.select(CONTENT_HASH, pl.Series(PART, [PARTS[place] for place in found.part], pl.String))
    return pairs.select(CONTENT_HASH, PICTURE_HASH, TEXT_HASH).join(parts, on=CONTENT_HASH, how="left")


def _earlier(folder: Path, recipe: str) -> pl.DataFrame | None:
    """The parts in which towers of `recipe` had their pairs."""
    towers = sorted(folder.glob(f"{recipe}-*/{CONFIG}"))
    if not towers:
        return None
    return pl.concat([read_parquet(config.parent / SEEN) for config in towers]).drop_nulls(PART)


def _newest(folder: Path, recipe: str, pairs: pl.DataFrame, tolerance: float) -> Path | None:
    """The last trained tower of `recipe` for which at most `tolerance` of `pairs` are new."""
    candidates = sorted(folder.glob(f"{recipe}-*/{CONFIG}"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for config in candidates:
        seen = read_parquet(config.parent / SEEN)
        if pairs.join(seen, on=CONTENT_HASH, how="anti").height <= tolerance * pairs.height:
            return config.parent
    return None


def _save(target: Path, tower: ImageTower, settings: ImageSettings, report: AdaptReport, seen: pl.DataFrame) -> None:
    from safetensors.torch import save_file

    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    save_file({name: value.contiguous() for name, value in tower.network.state_dict().items()}, partial / WEIGHTS)
    seen.write_parquet(partial / SEEN)
    config = {
        "architecture": architecture_config(settings),
        "preprocess": tower.preprocess,
        "settings": settings.model_dump(),
        "report": asdict(report),
    }
    (partial / CONFIG).write_text(json.dumps(config, indent=1))
    partial.rename(target)


def _load(folder: Path, settings: ImageSettings, dims: int) -> ImageTower:
    from safetensors.torch import load_file

    tower = build_trainable(settings, dims, folder.name, weights=False)
    tower.network.load_state_dict(load_file(folder / WEIGHTS))
    return ImageTower(tower.network, _config(folder)["preprocess"], folder.name)


def _load_report(folder: Path) -> AdaptReport:
    report = _config(folder)["report"]
    epochs = tuple(Epoch(**epoch) for epoch in report["epochs"])
    recall = Recall(**report["recall"]) if report["recall"] else None
    return AdaptReport(**report | {"epochs": epochs, "recall": recall})


def _config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / CONFIG).read_text())
    return config


def _digest(content: list[Any]) -> str:
    return blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=8).hexdigest()
