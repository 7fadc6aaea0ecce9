"""What a trained model says to a request: of impressions, and of the whole catalogue."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from models.argus.config import ArgusConfig
from models.argus.examples import ArgusExamples
from models.argus.model import Argus, Asked
from models.argus.predictions import parts_of, predict
from models.columns import ACTIONS, ITEM_INDEX, STARTED, TIMESTAMP
from models.interactions import Interactions
from models.known import Known

if TYPE_CHECKING:
    from models.artifact import Artifact


def score_impressions(
    model: Argus, histories: Interactions, impressions: Interactions, device: str = "cpu"
) -> dict[str, np.ndarray]:
    """How likely each class of each factor is for items that are shown, told from the histories as they stand.

    Whoever wants histories that grow asks once for each moment. What came of the impressions is not read, even if it
    is there, and none of them tells anything of another.

    Args:
        histories: Of B users, with `started` and the columns that the model reads.
        impressions: What is shown to the same B users, with the columns that are known at the request; `timestamp` is
            when it is shown.

    Returns:
        Factor to (T, classes) float32 probabilities, in the order of `impressions`.

    Raises:
        ValueError: the users are not as many, one is shown something before the history has ended, or a column is
            missing that is known at the request.
    """
    config = model.config
    examples = _examples(config, histories, impressions)
    if examples is None:
        return {factor.name: np.zeros((0, config.classes(factor)), np.float32) for factor in config.factors}
    said = predict(model, examples, device)
    names = [factor.name for factor in config.factors]
    return {name: np.exp(part) for name, part in zip(names, said.logits, strict=True)}


@torch.no_grad()
def score_next_item(model: Argus, histories: Interactions, impressions: Interactions) -> np.ndarray:
    """(T,) float32 logits that the item of each impression comes next, of which softmax over all items makes chances.

    Arguments and errors are those of `score_impressions`.
    """
    assert model.next_item is not None
    examples = _examples(model.config, histories, impressions)
    if examples is None:
        return np.zeros(0, np.float32)
    scores = []
    for part in parts_of(examples):
        view = model.view(examples.batch(part), None)
        items = view.next_items
        targets = model.next_item.targets(model.items(items), items, ~model.items.has_id[items])
        scores.append(((view.queries * targets).sum(1) / model.next_item.temperature).numpy())
    return np.concatenate(scores)


def _examples(config: ArgusConfig, histories: Interactions, impressions: Interactions) -> ArgusExamples | None:
    """All impressions, each asked about from the history as it stands; None where there is none."""
    if len(histories) != len(impressions):
        raise ValueError(f"there are histories of {len(histories)} users, and impressions of {len(impressions)}")
    for column in (*config.of_role("context"), *config.of_role("item")):
        impressions.column(column.name)
    if not len(impressions.timestamps):
        return None
    shown = completed(impressions.with_columns({STARTED: impressions.timestamps}), config)
    together, asked = _end_to_end(completed(histories, config), shown)
    return ArgusExamples(together, config, asked, frozen=histories.lengths)


@torch.no_grad()
def log_likelihoods(artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> Tensor:
    """(B, n + 1) of every item: the log of how likely it comes next and, where there are factors, that the first of
    them is not of its first class then; -inf where the vocabulary does not know it.

    What is known at a request beside its time counts as empty. The interleaved form reads an item before it tells what
    comes of it, which takes too long for a catalogue: it tells the next item alone.

    Args:
        histories: Of B users; columns that are missing count as empty.
        request_times: (B,) int64 epoch milliseconds, none before a user's last interaction.

    Raises:
        ValueError: an item is outside the vocabulary, or a request time is before the history has ended.
    """
    model, items = artifact.model, len(artifact.vocabulary)
    scores = torch.full((len(histories), items + 1), -torch.inf)
    if not len(histories):
        return scores
    examples = _requests(artifact, histories, request_times)
    every = torch.from_numpy(artifact.vocabulary.known_items)
    vectors = model.items(every)
    for row in range(len(examples)):
        view = model.view(examples.batch(np.array([row])), None)
        scores[row, every] = _of_items(view, every, vectors)
    return scores


@torch.no_grad()
def next_item_queries(artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> Tensor:
    """(B, d) where each user's next item is looked for, as wide as what it is compared with; 0 for a user with no known
    item. Without popularity of norm 1.

    Arguments and errors are those of `log_likelihoods`.
    """
    queries = torch.zeros(len(histories), artifact.retrieval_vectors.shape[1])
    some = np.flatnonzero(histories.known().lengths)
    if not len(some):
        return queries
    examples = _requests(artifact, histories.take(some), np.asarray(request_times)[some])
    for part in parts_of(examples):
        view = artifact.model.view(examples.batch(part), None)
        queries[torch.from_numpy(some)[view.users]] = view.queries
    return queries


def _requests(artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> ArgusExamples:
    """One question for each user, of an item that nobody knows yet."""
    config = artifact.model.config
    asking = Interactions.of([([0], [moment]) for moment in request_times.tolist()])
    known = completed(histories.within(len(artifact.vocabulary)).known(), config)
    together, asked = _end_to_end(known, completed(asking, config))
    return ArgusExamples(together, config, asked, frozen=known.lengths)


def _of_items(view: Asked, items: Tensor, vectors: Tensor) -> Tensor:
    """(m,) log likelihoods of items (m,) with these (m, width) vectors, for the one interaction that is asked about."""
    model, told = view.model, view.of_item.new_zeros(len(vectors))
    if model.next_item is not None:
        targets = model.next_item.targets(vectors, items, ~model.items.has_id[items])
        logits = targets @ view.queries[0] / model.next_item.temperature
        told = told + model.next_item.as_of(logits.unsqueeze(0), view.times, items)[0].log_softmax(0)
    if model.told is not None and model.config.form == "summed":
        known = torch.cat([view.of_context.expand(len(vectors), -1), vectors], dim=-1)
        logits = model.told(known).float()
        if model.quality is not None:
            logits = logits + model.quality.offsets(items, view.batch)
        first = model.by_factor(logits)[0].log_softmax(-1)[:, 1:]
        told = told + first.logsumexp(-1)
    return told


def completed(interactions: Interactions, config: ArgusConfig) -> Interactions:
    """With what a model reads, empty where it is missing: what began when it ended, of which nothing else is known."""
    count = len(interactions.timestamps)
    empty = {STARTED: interactions.timestamps, ACTIONS: np.zeros(count, np.int64)}
    for column in config.columns:
        empty[column.name] = np.full(count, -1, np.int64) if column.values else np.full(count, np.nan, np.float32)
    read = {name: interactions.columns.get(name, empty[name]) for name in (STARTED, *config.read)}
    when: dict[str, Known] = {
        column.name: "outcome" if column.role == "feedback" else "request" for column in config.columns
    }
    declared = {**when, **interactions.declared}
    return replace(interactions.only(), declared=declared).with_columns(read)


def _end_to_end(histories: Interactions, asked: Interactions) -> tuple[Interactions, np.ndarray]:
    """What is asked about behind each user's history, and (L,) bool where it stands."""
    names = histories.columns
    whole = np.concatenate([histories.lengths, asked.lengths])
    owner = np.repeat(np.tile(np.arange(len(histories)), 2), whole)
    order = np.argsort(owner, kind="stable")
    is_asked = np.repeat([False, True], [len(histories.timestamps), len(asked.timestamps)])[order]
    columns = {name: np.concatenate([histories.columns[name], asked.column(name)])[order] for name in names}
    times, users = columns[TIMESTAMP], owner[order]
    back = (np.diff(times) < 0) & (np.diff(users) == 0)
    if back.any():
        user = users[int(np.argmax(back))]
        raise ValueError(f"user {user} is shown something before the history has ended: cut the history there")
    offsets = np.concatenate([[0], np.cumsum(histories.lengths + asked.lengths)]).astype(np.int64)
    declared = {**asked.declared, **histories.declared}
    columns[ITEM_INDEX] = columns[ITEM_INDEX].astype(np.int64)
    return Interactions(offsets, columns, declared), is_asked
