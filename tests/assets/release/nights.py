"""Evaluations of nights that are made up: who took part, what each is worth, and how sure one can be of that."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations

from models.evaluation.report import Contestant, EvaluationReport, Measure, Protocol, VersionEvaluation

START = datetime(2026, 1, 1, tzinfo=UTC)

Worth = Mapping[Protocol, Sequence[float]]
"""Of each protocol, what each contestant's metric is."""


def version(family: str, night: int) -> Contestant:
    """The version that a night makes of a family."""
    return Contestant(version=f"{family}-{night}", family=family, created=START + timedelta(days=night))


def evaluated(
    contestants: Mapping[str, Contestant],
    worth: Worth,
    *,
    users: Mapping[Protocol, int] | int = 200,
    half_width: float = 0.01,
    incumbent: Contestant | None = None,
    broken: bool = False,
    why_absent: str | None = None,
) -> VersionEvaluation:
    """The evaluation of the first contestant; `half_width` is that of every interval of a paired difference.

    Args:
        incumbent: The champion, if it is not among the contestants.
        why_absent: Why it is not.
    """
    names = list(contestants)
    protocols = {
        protocol: report(names, dict(zip(names, values, strict=True)), _of(users, protocol), half_width)
        for protocol, values in worth.items()
    }
    return VersionEvaluation(
        version=contestants[names[0]].version,
        champion=None,
        broken_champion=incumbent.version if incumbent and broken else None,
        incumbent=incumbent,
        contestants=dict(contestants),
        left_out={"champion": why_absent} if why_absent else {},
        cutoff=START,
        window_days=1,
        seed=0,
        table_versions={},
        primary_protocol="time",
        metric="ndcg@10",
        protocols=protocols,
    )


def report(names: Sequence[str], values: Mapping[str, float], users: int, half_width: float) -> EvaluationReport:
    asked = users > 0

    def measure(mean: float) -> Measure:
        return Measure(mean=mean, low=mean - half_width, high=mean + half_width, n=users)

    paired: dict[str, dict[str, dict[str, Measure]]] = {name: {} for name in names}
    for first, second in combinations(names, 2) if asked else ():
        paired[first][second] = {"ndcg@10": measure(values[first] - values[second])}
    return EvaluationReport(
        users=users,
        targets=users,
        items=50,
        candidate=names[0],
        scorers={name: {"overall": {"ndcg@10": measure(value)}} if asked else {} for name, value in values.items()},
        differences={},
        paired=paired,
    )


def _of(users: Mapping[Protocol, int] | int, protocol: Protocol) -> int:
    return users if isinstance(users, int) else users[protocol]
