"""A version's encoder as a `torch.export` program, which runs without this project: histories in, user vectors out.

It computes what `models.inference.user_states` computes, dense and padded, and maps it into the space of the published
tables. A state is made of what had happened by then, so that padding behind a history changes nothing before it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, save

from models.attention.bias import AttentionBias, gathered_bias
from models.batch import REACH_MS
from models.encoder.hstu import HstuLayer
from models.encoder.softmax_hstu import SoftmaxHstuLayer
from models.encoder.stack import AttentionLayer
from models.encoder.transformer import TransformerLayer
from models.families.family import NoVectors
from models.heads.calendar import HOUR_MS
from models.heads.evidence import Evidence
from models.manifest import MANIFEST, VOCABULARY
from models.recommender import Recommender
from models.space import StableSpace
from models.strict import Strict

if TYPE_CHECKING:
    from models.artifact import Artifact

PROGRAM = "encoder.pt2"
USAGE = "encoder.json"


class Usage(Strict):
    """What somebody has to know who runs an exported encoder."""

    version: str
    family: str
    space: str = Field(description="Space of the vectors, as in the published tables.")
    width: int = Field(description="Length of a vector.")
    max_length: int = Field(description="Interactions of a history at most: give the newest.")
    positive_actions: list[str] = Field(description="Actions that make an interaction part of a history.")
    merge_adjacent: str | None = Field(description="What adjacent interactions are merged by; null: nothing.")
    inputs: dict[str, str] = Field(description="Arguments in their order.")
    output: str


INPUTS = {
    "item_index": "(users, length) int64: places of the items in vocabulary.parquet, counted from 1, oldest first, and "
    "behind them any as padding. Leave out items that are not there.",
    "timestamps": "(users, length) int64: epoch milliseconds, as many and padded alike.",
    "lengths": "(users,) int64: how many of them are the history, 1 to length.",
    "request_times": "(users,) int64: the moment as of which the vector is wanted, epoch milliseconds.",
}


class UserEncoder(nn.Module):
    """Padded histories -> (users, width) float32 vectors in the space of the published tables.

    Raises:
        NoVectors: the model has a layer that is not known here.
    """

    item_vectors: Tensor
    by: Tensor

    def __init__(self, recommender: Recommender, item_vectors: Tensor, space: StableSpace) -> None:
        super().__init__()
        self.recommender = recommender
        self.register_buffer("item_vectors", item_vectors)
        self.register_buffer("by", torch.from_numpy(space.maps.users))
        for layer in recommender.encoder.layers:
            if not isinstance(layer, HstuLayer | TransformerLayer):
                raise NoVectors(f"a layer of the type {type(layer).__name__} cannot be exported yet")

    def forward(self, item_index: Tensor, timestamps: Tensor, lengths: Tensor, request_times: Tensor) -> Tensor:
        places = torch.arange(item_index.shape[1], device=item_index.device)
        last = lengths - 1
        times = torch.maximum(timestamps, (request_times - REACH_MS).unsqueeze(1))
        following = times[:, torch.minimum(places + 1, places[-1])]
        following = torch.where(places >= last.unsqueeze(1), request_times.unsqueeze(1), following)
        encoder = self.recommender.encoder
        states = encoder.embed(self.item_vectors[item_index], places)
        for layer in encoder.layers:
            states = _forward(layer, states, following, times)
        silence = (request_times - times.gather(1, last.unsqueeze(1)).squeeze(1)).clamp(min=0).float() / HOUR_MS
        newest = states.gather(1, last.reshape(-1, 1, 1).expand(-1, 1, states.shape[2])).squeeze(1)
        queries = self.recommender.head(newest, Evidence(silence.log1p(), lengths.float().log()))
        return (queries.double() @ self.by).float()


def exported_encoder(artifact: Artifact, space: StableSpace) -> ExportedProgram:
    """The encoder of a version, of any number of users and any length up to what the model reads.

    Raises:
        NoVectors: the version has no encoder of histories of items.
    """
    recommender = getattr(artifact.model, "recommender", artifact.model)
    if not isinstance(recommender, Recommender):
        raise NoVectors(
            f"version {artifact.version} is of the family {artifact.family.name}, whose encoder does not read a plain "
            "history of items: ask the endpoint's /v1/vectors, or read the tables"
        )
    encoder = UserEncoder(recommender, artifact.item_vectors, space).eval().requires_grad_(False)
    users, length = Dim("users"), Dim("length", max=recommender.config.max_length)
    dense, single = {0: users, 1: length}, {0: users}
    longest = min(3, recommender.config.max_length)
    example = (
        torch.ones(2, longest, dtype=torch.int64),
        torch.arange(longest).repeat(2, 1) * 1000,
        torch.full((2,), longest),
        torch.full((2,), 10_000),
    )
    shapes = {"item_index": dense, "timestamps": dense, "lengths": single, "request_times": single}
    with torch.no_grad():
        return torch.export.export(encoder, example, dynamic_shapes=shapes, strict=False)


def write_encoder(artifact: Artifact, version: Path, space: StableSpace, folder: Path) -> Usage:
    """Writes the program, what is to be known of it, and the version's vocabulary and manifest into `folder`.

    Args:
        version: The version's folder.

    Raises:
        NoVectors: see `exported_encoder`.
    """
    program = exported_encoder(artifact, space)
    folder.mkdir(parents=True, exist_ok=True)
    usage = Usage(
        version=artifact.version,
        family=artifact.family.name,
        space=space.id,
        width=space.maps.width,
        max_length=artifact.family.encoder_of(artifact.model.config).max_length,
        positive_actions=artifact.manifest.positive_actions,
        merge_adjacent=artifact.manifest.merge_adjacent,
        inputs=INPUTS,
        output=f"(users, {space.maps.width}) float32",
    )
    save(program, folder / PROGRAM)
    for name in (VOCABULARY, MANIFEST):
        (folder / name).write_bytes((version / name).read_bytes())
    (folder / USAGE).write_text(usage.model_dump_json(indent=2))
    return usage


def _forward(layer: AttentionLayer, states: Tensor, query_times: Tensor, key_times: Tensor) -> Tensor:
    """One layer: (B, n, width) -> (B, n, width)."""
    rows, length = states.shape[:2]
    flat = states.flatten(0, 1)
    gate, q, k, v = layer.project(flat)
    q, k, v = (part.unflatten(0, (rows, length)) for part in (q, k, v))
    mixed = _attended(layer, q, k, v, query_times, key_times)
    return layer.combine(flat, gate, mixed.flatten(0, 1)).unflatten(0, (rows, length))


def _attended(layer: AttentionLayer, q: Tensor, k: Tensor, v: Tensor, query_times: Tensor, key_times: Tensor) -> Tensor:
    """(B, n, h, d): causal attention of padded rows, naively (`models.attention.reference` and `.softmax`)."""
    places = torch.arange(q.shape[1], device=q.device)
    seen = places.unsqueeze(1) >= places
    scores = torch.einsum("bihd,bjhd->bhij", q, k)
    if isinstance(layer, HstuLayer):
        by = AttentionBias(layer.bias.position, layer.bias.time, query_times, key_times)
        bias = gathered_bias(by, places.unsqueeze(1), places, query_times.unsqueeze(2), key_times.unsqueeze(1))
        if not isinstance(layer, SoftmaxHstuLayer):
            weights = F.silu(scores + bias.unsqueeze(1)) * seen / layer.divisor
            return torch.einsum("bhij,bjhd->bihd", weights, v)
        scores = scores * layer.head_dim**-0.5 + bias.unsqueeze(1)
    else:
        assert isinstance(layer, TransformerLayer)
        scores = scores * layer.head_dim**-0.5
    weights = scores.masked_fill(~seen, -torch.inf).softmax(-1)
    return torch.einsum("bhij,bjhd->bihd", weights, v)
