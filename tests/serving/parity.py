"""Whether the trainer's batch, the offline evaluation and a live endpoint score the same requests alike."""

from datetime import timedelta

import numpy as np
import polars as pl
import torch

from models.artifact import load_artifact
from models.batch import training_batch
from models.evaluation.cases import EvaluationCases
from models.evaluation.model_scorer import ModelScorer
from models.interactions import Interactions
from models.recommender import Recommender
from serving.client import EndpointClient
from serving.schema import HistoryItem, RecommendationRequest
from serving.settings import ReleaseConfig
from tests.serving.world import START, World

REQUESTS = 25
TOLERANCE = 1e-5


def check_parity(base_url: str, release: ReleaseConfig, world: World) -> None:
    """Asks an endpoint that serves `release` for all items, by given histories and by a user of the log."""
    artifact = load_artifact(release.artifact)
    requests = [([1, 2, 3], [ms(hours) for hours in range(3)]), *made_up(world.items)]
    asked_at = np.array([times[-1] + 1000 * (1 + place) for place, (_, times) in enumerate(requests)])
    trained = by_the_trainer(artifact.model, requests, asked_at)
    evaluated = ModelScorer("version", artifact, artifact.vocabulary).score(
        EvaluationCases(
            user_ids=pl.Series(range(len(requests))),
            histories=Interactions.of(requests),
            request_times=asked_at,
            targets=np.ones(len(requests), np.int64),
            target_offsets=np.arange(len(requests) + 1),
        )
    )
    assert trained[:, 1:].std() > 0.1, "scores that do not differ would agree whatever was asked"
    np.testing.assert_allclose(evaluated[:, 1:], trained[:, 1:], atol=TOLERANCE, rtol=0)
    with EndpointClient(base_url) as client:
        for place, (items, times) in enumerate(requests):
            given = [HistoryItem(item_id=item, timestamp=time) for item, time in zip(items, times, strict=True)]
            request = RecommendationRequest(history=given, k=world.items, exclude_seen=False, at=int(asked_at[place]))
            asked = [request]
            if place == 0:
                # User 100 did in the log what the first history says.
                asked.append(request.model_copy(update={"history": None, "user_id": 100}))
            for request in asked:
                answer = client.recommend(request)
                assert answer.source == "model"
                assert len(answer.items) == world.items - 1, "all but the one that is announced for later"
                for item in answer.items:
                    assert abs(item.score - evaluated[place, int(item.item_id)]) < TOLERANCE


def by_the_trainer(model: Recommender, requests: list[tuple[list[int], list[int]]], asked_at: np.ndarray) -> np.ndarray:
    """(B, n + 1) scores from a training batch: what is to be told at the end of each history came when it was asked."""
    told = [([*items, 1], [*times, int(at)]) for (items, times), at in zip(requests, asked_at, strict=True)]
    batch, _ = training_batch(Interactions.of(told), np.arange(len(told)), model.config.max_length)
    with torch.no_grad():
        queries = model.queries(batch)
        return (queries @ model.retrieval_vectors(model.items.trained).T).numpy()


def made_up(items: int) -> list[tuple[list[int], list[int]]]:
    """Histories of 1 to 9 items, shorter and longer than the model reads, with gaps from seconds to weeks."""
    rng = np.random.default_rng(5)
    histories = []
    for place in range(REQUESTS):
        length = 1 + place % 9
        gaps = np.exp(rng.uniform(np.log(1000), np.log(14 * 86_400_000), length)).astype(np.int64)
        histories.append((rng.integers(1, items, length).tolist(), (ms(24) + np.cumsum(gaps)).tolist()))
    return histories


def ms(hours: int) -> int:
    return int((START + timedelta(hours=hours)).timestamp() * 1000)
