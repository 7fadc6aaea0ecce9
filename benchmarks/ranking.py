"""`genrec bench ranking`: many candidates against one cached history (M-FALCON), against one by one and one full pass.

Each pair of history and candidates is measured by itself, its sides alternating:

- M-FALCON: the history once, then the candidates in micro-batches; `cached` is the same with the history in a cache.
- full pass: history and all candidates as one row.
- one by one: a row of the history and one candidate each. Only a sample is run, packed end to end so that no call's
  overhead counts, and its time is scaled to all candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.box import SIMPLE_HEAD
from rich.table import Table
from torch import Tensor

from benchmarks.figures import Figures, Report
from benchmarks.timing import Spread, interleaved, speedup
from models.columns import ACTIONS
from models.config.model import InputEncodingConfig, StuConfig
from models.interactions import Interactions
from models.ranking.batch import RankingBatch, ranking_batch
from models.ranking.config import RankerConfig
from models.ranking.ranker import Ranker

HISTORIES = (200, 1024, 4096, 8192)
CANDIDATES = (64, 256, 1024, 4096, 16_384)
STATED_HISTORY = 1024
ROUNDS = 3
ITEMS = 50_000
SAMPLE_TOKENS = 32_768
MINUTE = 60_000
REQUEST_TIME = 1_760_000_000_000
VERSION = "benchmark"
RATIOS = ("one_by_one", "one_by_one_cached", "full_pass", "full_pass_cached")


@dataclass(frozen=True)
class Question:
    """One user's history, and the candidates to score."""

    history: RankingBatch
    whole: RankingBatch
    sample: RankingBatch
    candidates: Tensor

    @classmethod
    def of(cls, length: int, candidates: int) -> "Question":
        random = np.random.default_rng(length)
        rows = random.integers(1, ITEMS + 1, length).tolist()
        times = (REQUEST_TIME - MINUTE * np.arange(length, 0, -1)).tolist()
        actions = random.integers(0, 8, length)
        asked = (random.permutation(ITEMS)[:candidates] + 1).tolist()
        sampled = asked[: max(1, SAMPLE_TOKENS // (length + 1))]

        def requests(lists: Sequence[Sequence[int]]) -> RankingBatch:
            histories = Interactions.of([(rows, times)] * len(lists))
            histories = histories.with_columns({ACTIONS: np.tile(actions, len(lists))})
            return ranking_batch(histories, lists, [REQUEST_TIME] * len(lists), length)

        return cls(requests([[]]), requests([asked]), requests([[row] for row in sampled]), torch.tensor(asked))

    @property
    def sampled(self) -> int:
        return len(self.sample.targets)


@dataclass(frozen=True)
class Answer:
    """What one question showed: how many times faster M-FALCON was, and with the history cached beforehand.

    Attributes:
        one_by_one: Than scoring all candidates one by one.
        one_by_one_cached: The same, with a cached history.
        full_pass: Than the full pass.
        full_pass_cached: The same, with a cached history.
        seconds: Of M-FALCON.
        difference: Largest between M-FALCON's logits and the others'.
    """

    one_by_one: Spread
    one_by_one_cached: Spread
    full_pass: Spread
    full_pass_cached: Spread
    seconds: Spread
    difference: float


def ranker(longest: int) -> Ranker:
    """A ranker of 3 layers, 4 heads of 32, with positions from the start, so that caches hold across requests."""
    torch.manual_seed(0)
    config = RankerConfig(
        width=128,
        max_length=longest,
        actions=("click", "like", "share"),
        encoding=InputEncodingConfig(positions="start", position_rows=longest + 1),
        backbone=StuConfig(layers=3, heads=4, head_dim=32),
    )
    return Ranker(config, ITEMS).eval()


@torch.inference_mode()
def ask(model: Ranker, question: Question, rounds: int) -> Answer:
    """Answers one question in every way, and compares times and logits."""

    def score() -> Tensor:
        return model.score(model.prefill(question.history, VERSION), question.candidates, REQUEST_TIME, VERSION)

    cache = model.prefill(question.history, VERSION)
    samples = interleaved(
        {
            "m_falcon": score,
            "cached": lambda: model.score(cache, question.candidates, REQUEST_TIME, VERSION),
            "full_pass": lambda: model(question.whole),
            "one_by_one": lambda: model(question.sample),
        },
        rounds,
    )
    share = len(question.candidates) / question.sampled
    scores = score()
    return Answer(
        one_by_one=scaled(speedup(samples["one_by_one"], samples["m_falcon"]), share),
        one_by_one_cached=scaled(speedup(samples["one_by_one"], samples["cached"]), share),
        full_pass=speedup(samples["full_pass"], samples["m_falcon"]),
        full_pass_cached=speedup(samples["full_pass"], samples["cached"]),
        seconds=samples["m_falcon"].spread,
        difference=max(
            float((scores - model(question.whole)).abs().max()),
            float((scores[: question.sampled] - model(question.sample)).abs().max()),
        ),
    )


def run(
    histories: Sequence[int] = HISTORIES,
    candidates: Sequence[int] = CANDIDATES,
    stated_history: int = STATED_HISTORY,
    rounds: int = ROUNDS,
    smoke: bool = False,
    report: Report = print,
) -> Figures:
    """Measures every history with every number of candidates.

    Returns:
        `speedup_{m}` over one-by-one scoring at `stated_history`; `max_abs_diff` over all logits compared; and per
        history and number of candidates the ratios of `Answer`.

    Raises:
        ValueError: `stated_history` is not measured.
    """
    if smoke:
        histories, candidates, stated_history, rounds = (24, 40), (4, 16), 40, 1
    if stated_history not in histories:
        raise ValueError(f"the stated history {stated_history} is not among the measured ones, {tuple(histories)}")
    model = ranker(max(histories))
    answers: dict[int, dict[int, Answer]] = {}
    for length in histories:
        answers[length] = {count: ask(model, Question.of(length, count), rounds) for count in candidates}
        report(_table(length, answers[length]))
    return {
        "history": stated_history,
        **{f"speedup_{count}": answer.one_by_one.median for count, answer in answers[stated_history].items()},
        "max_abs_diff": max(answer.difference for row in answers.values() for answer in row.values()),
        **{
            name: {
                length: {count: getattr(answer, name).median for count, answer in row.items()}
                for length, row in answers.items()
            }
            for name in RATIOS
        },
    }


def scaled(spread: Spread, factor: float) -> Spread:
    return Spread(spread.median * factor, spread.low * factor, spread.high * factor)


def _table(length: int, answers: dict[int, Answer]) -> Table:
    title = f"history of {length}: how many times faster M-FALCON is"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("m", "ms", *(name.replace("_cached", "\n(cached)").replace("_", " ") for name in RATIOS), "diff"):
        table.add_column(name, justify="right")
    for count, answer in answers.items():
        spreads = [scaled(answer.seconds, 1000), *(getattr(answer, name) for name in RATIOS)]
        cells = [f"{spread.median:.3g}\n{spread.low:.3g}..{spread.high:.3g}" for spread in spreads]
        table.add_row(str(count), *cells, f"{answer.difference:.1e}")
    return table
