"""`genrec bench off-policy`: estimates of a policy from another one's log, against what it earned in its own.

Visitors of the same week met Open Bandit's two policies, random and Thompson sampling, at random, so that the log of
each tells what the other should have foretold. An impression is a choice among the campaign's items for one of three
positions; the reward is its click.
"""

import tempfile
from itertools import permutations
from pathlib import Path

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from scipy import sparse

from benchmarks.figures import Figures, Report
from benchmarks.open_bandit import Log, read, write_imitation
from benchmarks.reward_model import cross_fitted_rewards
from models.evaluation.off_policy import Estimate, JudgedPolicy, LoggedChoices, PolicyValue, policy_value


def run(data: Path | None, clip: float | None, smoke: bool, report: Report) -> Figures:
    """Every policy judged by every other one's log, in each campaign.

    Args:
        data: The folder of an unpacked Open Bandit Dataset.
        clip: Larger weights are cut to it; None: none is.

    Returns:
        By campaign and judged policy: `true`, its own click rate, and every estimate, each with `…_low`, `…_high` and
        `…_se`; `rows`, `rewarded`, `effective_rows`, `mean_weight` and `clipped`. Of all `estimates`, `overlapping`
        have an interval that shares a point with the true rate's.

    Raises:
        ValueError: the dataset has not two policies, or a propensity is none.
    """
    campaigns = _imitated() if smoke else read(data)
    figures: Figures = {}
    overlaps = []
    for campaign, logs in campaigns.items():
        if len(logs) < 2:
            raise ValueError(f"campaign {campaign} has the log of {', '.join(logs)} alone: nothing can be compared")
        values = {pair: judge_by(logs[pair[0]], logs[pair[1]], clip) for pair in permutations(logs, 2)}
        own = {judge: value.logged for (judge, _), value in values.items()}
        for (judge, judged), value in values.items():
            true = own[judged]
            assert true is not None, "a log that was read has rows"
            report(_table(f"{campaign}: {judged} by the log of {judge}", true, value))
            for doubt in value.doubts:
                report(f"  {doubt}")
            figures[f"{campaign}_{judged}"] = _figures(true, value)
            overlaps += [_overlap(true, estimate) for estimate in value.estimates.values()]
    return figures | {"estimates": len(overlaps), "overlapping": sum(overlaps)}


def judge_by(log: Log, judged: Log, clip: float | None) -> PolicyValue:
    """What the policy of `judged` would have earned with the requests of `log`; its own log tells what it chooses."""
    policy = judged.distribution()[log.positions]
    rewards = cross_fitted_rewards(_context(log), _one_hot(np.arange(log.shape[1])), log.items, log.clicked, log.users)
    rows = np.arange(len(log.items))
    return policy_value(
        LoggedChoices(log.users, log.propensities, log.clicked.astype(np.float64)),
        JudgedPolicy(policy[rows, log.items], rewards[rows, log.items], (policy * rewards).sum(axis=1)),
        clip,
    )


def _context(log: Log) -> sparse.csr_array:
    """(N, c) what is known before an item is chosen: the position, and the user's features as one name."""
    return sparse.hstack([_one_hot(log.positions), _one_hot(log.users)], format="csr")


def _one_hot(codes: np.ndarray) -> sparse.csr_array:
    rows = np.arange(len(codes))
    return sparse.csr_array((np.ones(len(codes)), (rows, codes)))


def _imitated() -> dict[str, dict[str, Log]]:
    with tempfile.TemporaryDirectory() as folder:
        return read(write_imitation(Path(folder)))


def _overlap(true: Estimate, estimate: Estimate) -> bool:
    ends = (true.low, true.high, estimate.low, estimate.high)
    low, high, from_, to = (np.nan if end is None else end for end in ends)
    return bool(low <= to and from_ <= high)


def _figures(true: Estimate, value: PolicyValue) -> Figures:
    figures: Figures = {}
    for name, estimate in {"true": true, **value.estimates}.items():
        ends = {"low": estimate.low, "high": estimate.high, "se": estimate.standard_error}
        figures[name] = estimate.mean
        figures |= {f"{name}_{end}": number for end, number in ends.items()}
    counted = ("rows", "rewarded", "effective_rows", "mean_weight", "clipped")
    return figures | {name: getattr(value, name) for name in counted}


def _table(title: str, true: Estimate, value: PolicyValue) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD)
    for heading in ("", "clicks per 1,000", "95 % interval", "standard error"):
        table.add_column(heading, justify="right")
    for name, estimate in {"its own log": true, **value.estimates}.items():
        ends = (estimate.low, estimate.high)
        cells = ["" if end is None else f"{1000 * end:.2f}" for end in (*ends, estimate.standard_error)]
        table.add_row(name, f"{1000 * estimate.mean:.2f}", f"{cells[0]} .. {cells[1]}", cells[2])
    return table
