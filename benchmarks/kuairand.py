"""Ranking each user's own impressions of KuaiRand-Pure by whether they are watched long, as TechJam 2026 has it.

Everything before 29 April 2022 is known and what was shown from then to 8 May is asked, 170,588 impressions of 23,875
users; primary is the mean of GAUC (weighted by positives) and nDCG@5. Of the time before 25 April there are only lists
(`benchmarks.kuairand_data`), so less is known here than to those whose figures were published.

Frozen, nothing of the test days is read but what is known of an impression when it is shown. Growing, each day is asked
by itself, and the days before it are known, as if every night a new version were trained.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.figures import Figures, Report
from benchmarks.kuairand_data import (
    FIRST_TEST_DAY,
    KEYS,
    LAST_TEST_DAY,
    VALIDATION_DAY,
    KuaiRand,
    Task,
    days,
    read,
    write_imitation,
)
from benchmarks.kuairand_scorers import ABLATIONS, MIXTURES, PRODUCTION, SCORERS
from models.evaluation.action_metrics import normalised_entropy
from models.evaluation.own_impressions import (
    NDCG,
    OWN_METRICS,
    PAIR_ACCURACY,
    PAIR_UPLIFT,
    PRIMARY,
    Comparison,
    OwnImpressions,
    compare,
)
from models.evaluation.reliability import calibration_error, reliability
from models.evaluation.report import Measure

PUBLISHED = {
    "random": (0.4996, 0.4511, 0.4753),
    "item's popularity": (0.6308, 0.5121, 0.5715),
    "FM, k = 16": (0.6610, 0.5282, 0.5946),
    "best public result": (0.6676, 0.5332, 0.6004),
}
"""TechJam 2026 on the same test with twenty times as many rows that name a surface: GAUC, nDCG@5, primary."""

EVERY = {**SCORERS, **ABLATIONS}

ORACLE, GAUC = "oracle", "gauc_positives"
RESAMPLES = 1000

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Contest:
    """What every scorer said of the test days, and what came of them.

    Attributes:
        users: (T,) of the impressions.
        watched: (T,) whether they were watched long.
        scores: Scorer to (S, T) scores of its seeds.
        validated: Scorer to primary on the last day before.
        best: The scorer that the others are compared with.
        compared: All of them, the oracle included.
    """

    users: NDArray[np.int64]
    watched: NDArray[np.bool_]
    scores: Mapping[str, FloatArray]
    validated: Mapping[str, float]
    best: str
    compared: Comparison

    def sd(self, name: str) -> float | None:
        """Sample sd of primary over the seeds; None where there is one at most."""
        seeds = self.scores.get(name, ())
        if len(seeds) < 2:
            return None
        return float(np.std([primary_of(self.users, scores, self.watched) for scores in seeds], ddof=1))


def run(
    seeds: int,
    data: Path | None,
    predictions: Path | None,
    growing: bool,
    names: Sequence[str],
    smoke: bool,
    report: Report,
) -> Figures:
    """Every scorer on the test days.

    Args:
        seeds: How often each is trained that depends on one.
        data: Folder of the extract; not needed for a smoke run, which imitates one.
        predictions: A Parquet file for the scores of the best model, the mean over its seeds, in the log's order.
        growing: Whether to ask each day by itself, too, with seed 0.
        names: Of the scorers that take part; without any, all but the ablations.

    Raises:
        ValueError: a scorer's name is not known, or its scores are not finite.
    """
    if unknown := set(names) - set(EVERY):
        raise ValueError(f"there is no scorer {sorted(unknown)[0]!r}: --scorer takes {', '.join(EVERY)}")
    chosen = [name for name in EVERY if name in names] if names else list(SCORERS)
    with TemporaryDirectory() as imitation:
        log = read(write_imitation(Path(imitation)) if smoke else data)
    task, watched = log.task(FIRST_TEST_DAY, LAST_TEST_DAY), log.answers(FIRST_TEST_DAY, LAST_TEST_DAY)
    users = task.asked["user_id"].to_numpy().astype(np.int64)
    report(
        f"{len(users):,} impressions of {len(np.unique(users)):,} users are asked about; {watched.mean():.4f} of them "
        f"were watched long. Known: {task.known.history.height:,} of the history, {task.known.impressions.height:,} of "
        "the days before"
    )
    validated = _validated(log, chosen, report)
    scores = _mixed({name: _scores(name, task, seeds, report) for name in chosen})
    best = _best(validated)
    compared = compare(users, {**scores, ORACLE: watched.astype(np.float64)}, watched, best, 20 if smoke else RESAMPLES)
    contest = Contest(users, watched, scores, validated, best, compared)
    report(_table(contest))
    report(_reliability_table(best, scores[best], watched) if _gives_logits(best) else f"{best} gives no logits")
    figures = _figures(contest)
    if predictions:
        written = scores[best].mean(axis=0)
        _write(task, written, predictions)
        figures["predictions_primary"] = primary_of(users, written, watched)
        report(f"scores of {best}, the mean of its seeds, are in {predictions}")
    if growing:
        figures["growing"] = {name: _growing(name, log, report) for name in chosen}
    return figures


def primary_of(users: NDArray[np.int64], scores: FloatArray, watched: NDArray[np.bool_]) -> float:
    """Primary of one score of (T,) impressions."""
    own = OwnImpressions.of(users, scores, watched)
    return float(own.metrics(np.ones((1, len(own))))[0, OWN_METRICS.index(PRIMARY)])


def _scores(name: str, task: Task, seeds: int, report: Report) -> FloatArray:
    """(S, T) of each seed; one of a scorer that does not depend on it."""
    scorer = EVERY[name]
    rows = []
    for seed in range(seeds if scorer.seeded else 1):
        rows.append(scorer.score(task, seed))
        report(f"{name}, seed {seed}: scored")
    return np.stack(rows)


def _mixed(scores: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Besides, what mixtures say whose parts are there; who does not depend on a seed says the same for each."""
    mixed = {
        name: np.mean(np.broadcast_arrays(*(scores[part] for part in parts)), axis=0)
        for name, parts in MIXTURES.items()
        if set(parts) <= scores.keys()
    }
    return scores | mixed


def _gives_logits(name: str) -> bool:
    return name in MIXTURES or EVERY[name].logits


def _validated(log: KuaiRand, names: Sequence[str], report: Report) -> dict[str, float]:
    """Primary on the last day before the test, of seed 0: which model is the best is decided by it."""
    task, watched = log.task(VALIDATION_DAY), log.answers(VALIDATION_DAY)
    users = task.asked["user_id"].to_numpy().astype(np.int64)
    scores = _mixed({name: EVERY[name].score(task, 0)[None] for name in names})
    found = {name: primary_of(users, of_seed, watched) for name, (of_seed,) in scores.items()}
    report(f"primary on {VALIDATION_DAY}: " + ", ".join(f"{name} {value:.4f}" for name, value in found.items()))
    return found


def _best(validated: Mapping[str, float]) -> str:
    """The best on the validation day."""
    return max(validated, key=lambda name: validated[name])


def _growing(name: str, log: KuaiRand, report: Report) -> float:
    """Primary where every day is asked by itself, of seed 0."""
    asked = [log.task(day) for day in days(FIRST_TEST_DAY, LAST_TEST_DAY)]
    scores = np.concatenate([EVERY[name].score(task, 0) for task in asked])
    users = np.concatenate([task.asked["user_id"].to_numpy().astype(np.int64) for task in asked])
    watched = np.concatenate([log.answers(day) for day in days(FIRST_TEST_DAY, LAST_TEST_DAY)])
    primary = primary_of(users, scores, watched)
    report(f"{name}, growing: primary {primary:.4f}")
    return primary


def _figures(contest: Contest) -> Figures:
    compared, scores, best, watched = contest.compared, contest.scores, contest.best, contest.watched
    figures: Figures = {
        "model": best,
        "primary": compared.scorers[best][PRIMARY].mean,
        "primary_sd": contest.sd(best),
        "gauc": compared.scorers[best][GAUC].mean,
        "ndcg@5": compared.scorers[best][NDCG].mean,
        ORACLE: {
            name: compared.scorers[ORACLE][metric].mean for name, metric in (("ndcg@5", NDCG), (PRIMARY, PRIMARY))
        },
    }
    for name, of_seeds in scores.items():
        measured = compared.scorers[name]
        figures[f"{name}_primary"] = measured[PRIMARY].mean
        figures[name] = {
            **{metric: _interval(measured[metric]) for metric in OWN_METRICS},
            "primary_sd": contest.sd(name),
            "validation_primary": contest.validated[name],
        }
        if name != best:
            figures[name]["best_minus_this"] = _interval(compared.differences[name][PRIMARY])
        if _gives_logits(name):
            figures[name]["ne"] = _entropy(of_seeds, watched)
            figures[name]["calibration_error"] = _calibration(of_seeds, watched)
    if _gives_logits(best):
        figures["long_view_ne"], figures["calibration_error"] = (
            figures[best][key] for key in ("ne", "calibration_error")
        )
    if PRODUCTION in scores and best != PRODUCTION:
        figures[PAIR_UPLIFT] = compared.differences[PRODUCTION][PAIR_UPLIFT].mean
    return figures


def _entropy(of_seeds: FloatArray, watched: NDArray[np.bool_]) -> float:
    """The mean normalised entropy over the seeds."""
    return float(np.mean([normalised_entropy(scores[:, None], watched[:, None]) for scores in of_seeds]))


def _calibration(of_seeds: FloatArray, watched: NDArray[np.bool_]) -> float:
    """The mean calibration error over the seeds."""
    return float(np.mean([calibration_error(reliability(scores, watched)) for scores in of_seeds]))


def _interval(measure: Measure) -> list[float | None]:
    return [measure.mean, measure.low, measure.high]


def _table(contest: Contest) -> Table:
    compared, best = contest.compared, contest.best
    table = Table(title=f"KuaiRand-Pure, 29 April to 8 May 2022; best by validation: {best}", box=SIMPLE_HEAD)
    for heading in ("", "GAUC", "nDCG@5", "primary", "sd", f"{best} minus it", "pair accuracy", "validation"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, (gauc, ndcg, primary) in PUBLISHED.items():
        table.add_row(f"published: {name}", f"{gauc:.4f}", f"{ndcg:.4f}", f"{primary:.4f}")
    for name, measured in compared.scorers.items():
        sd = contest.sd(name)
        table.add_row(
            name,
            f"{measured[GAUC].mean:.4f}",
            f"{measured[NDCG].mean:.4f}",
            _cell(measured[PRIMARY]),
            f"{sd:.4f}" if sd is not None else "",
            _cell(compared.differences[name][PRIMARY]) if name != best else "",
            f"{measured[PAIR_ACCURACY].mean:.4f}",
            f"{contest.validated[name]:.4f}" if name in contest.validated else "",
        )
    return table


def _reliability_table(name: str, of_seeds: FloatArray, watched: NDArray[np.bool_]) -> Table:
    """Of the first seed."""
    table = Table("said", "watched", "impressions", title=f"calibration of {name}, seed 0", box=SIMPLE_HEAD)
    for one in reliability(of_seeds[0], watched):
        table.add_row(f"{one.said:.4f}", f"{one.taken:.4f}", f"{one.shown:,}")
    return table


def _cell(measure: Measure) -> str:
    interval = (
        f" [{measure.low:.4f}, {measure.high:.4f}]" if measure.low is not None and measure.high is not None else ""
    )
    return f"{measure.mean:.4f}{interval}"


def _write(task: Task, scores: FloatArray, path: Path) -> None:
    """One row for each impression that is asked about, in the log's order; whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    task.asked.select(KEYS).with_columns(pl.Series("score", scores)).write_parquet(partial)
    partial.replace(path)
