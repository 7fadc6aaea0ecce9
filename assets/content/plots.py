"""Pictures of the content stage: the tower's learning curve, and a contact sheet of nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assets.content.content_embeddings import nearest
from assets.content.decode_image import decode
from assets.content.read_image import Source
from assets.content.settings import ImageSettings
from assets.content.tower_training import AdaptReport
from assets.plots import markdown_image, new_figure
from models.columns import IMAGE, IMAGE_BYTES, ITEM_ID, TITLE
from storage.schema import has

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from PIL import Image

ROWS, NEIGHBOURS = 4, 5
THUMBNAIL = (96, 128)


@dataclass(frozen=True)
class Card:
    """One cell of a contact sheet: a title, and (3, h, w) uint8 pixels where there is an image."""

    title: str
    pixels: NDArray[np.uint8] | None


def learning_curve(report: AdaptReport) -> str:
    """Losses by epoch as a Markdown image; the kept epoch is marked."""
    figure = new_figure()
    axes = figure.subplots()
    numbers = range(1, len(report.epochs) + 1)
    axes.plot(numbers, [epoch.train_loss for epoch in report.epochs], marker="o", label="training")
    axes.plot(numbers, [epoch.validation_loss for epoch in report.epochs], marker="o", label="validation")
    axes.axvline(report.kept, color="#868e96", linestyle=":", label="kept")
    axes.set(xlabel="epoch", ylabel="InfoNCE loss against guessing (nats)")
    axes.set_xticks(list(numbers))
    axes.legend()
    return markdown_image(figure, "learning curve of the image tower")


def neighbour_sheet(items: pl.LazyFrame, content: pl.DataFrame, settings: ImageSettings) -> str:
    """A few items spread over the catalogue, each followed by its nearest by content, as a Markdown image."""
    pool = content.with_row_index("at").filter(pl.col(has("image")) if content[has("image")].any() else pl.lit(True))
    wanted = pool["at"].gather_every(max(1, pool.height // ROWS)).head(ROWS).to_list()
    rows = [[own, *near] for own, near in zip(wanted, nearest(content, wanted, NEIGHBOURS), strict=True)]
    if not rows:
        return "no items"
    figure = new_figure(1.3 * (NEIGHBOURS + 1), 2.0 * len(rows))
    grid = figure.subplots(len(rows), NEIGHBOURS + 1, squeeze=False)
    cards = _cards(items, content, sorted({at for row in rows for at in row}), settings)
    for axes in grid.flat:
        axes.axis("off")
    for row, line in zip(rows, grid, strict=True):
        for place, (at, axes) in enumerate(zip(row, line, strict=False)):
            _draw(axes, cards[at], query=place == 0)
    return markdown_image(figure, "items (left) and their nearest neighbours by content vector")


def _cards(items: pl.LazyFrame, content: pl.DataFrame, rows: Sequence[int], settings: ImageSettings) -> dict[int, Card]:
    shown = content.select(ITEM_ID)[list(rows)]
    columns = items.select(ITEM_ID, TITLE, IMAGE, IMAGE_BYTES).join(shown.lazy(), on=ITEM_ID, how="semi").collect()
    shown = shown.join(columns, on=ITEM_ID, how="left", maintain_order="left")
    sources: list[Source] = [data or path for data, path in shown.select(IMAGE_BYTES, IMAGE).iter_rows()]
    decoded = decode(sources, _thumbnail, settings)
    pixels = iter(decoded.pixels)
    titles = shown[TITLE].fill_null(shown[ITEM_ID].cast(pl.String))
    return {
        at: Card(title, next(pixels) if accepted else None)
        for at, title, accepted in zip(rows, titles, decoded.accepted, strict=True)
    }


def _thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.resize(THUMBNAIL), np.uint8).transpose(2, 0, 1)


def _draw(axes: Axes, card: Card, query: bool) -> None:
    if card.pixels is not None:
        axes.imshow(card.pixels.transpose(1, 2, 0))
    # A title is someone else's text: "$" must not start a formula.
    title = shorten(card.title, 20, placeholder="...")
    axes.set_title(title, parse_math=False, fontsize=7, fontweight="bold" if query else "normal")
