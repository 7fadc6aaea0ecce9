"""`genrec bench overload`: the endpoint under more load than it can bear, beside a no-op deployment of Serve.

A round: closed loops of 1 to 96 clients on the endpoint and the no-op; then open loops at .5 to 5 times the capacity
that the round's closed loops have shown, on the endpoint and on one without admission at its own capacity. Load
generator, proxy and replicas share the machine, so that only ratios within a round mean something.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.figures import Figures, Report
from benchmarks.overload_load import Reading, closed_loop, open_loop, require_tool
from benchmarks.overload_stack import UNGUARDED, Stack, running_stack
from benchmarks.timing import Spread

CLIENTS = (1, 8, 32, 96)
FACTORS = (0.5, 1.0, 2.0, 5.0)
OVERLOADS = (2.0, 5.0)
COMPARED_CLIENTS = 8
SECONDS = 5
ROUNDS = 3


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        clients: Of the closed loops.
        factors: Offered load of the open loops, in times of the capacity.
        seconds: Of each loop.
        rounds: How often.
        unguarded: Whether an endpoint without admission is measured, too.
    """

    clients: tuple[int, ...] = CLIENTS
    factors: tuple[float, ...] = FACTORS
    seconds: int = SECONDS
    rounds: int = ROUNDS
    unguarded: bool = True


SMOKE = Plan(clients=(COMPARED_CLIENTS,), factors=OVERLOADS, seconds=1, rounds=1, unguarded=False)


@dataclass(frozen=True)
class Side:
    """One server in one round: readings by clients and by factor."""

    closed: Mapping[int, Reading]
    opened: Mapping[float, Reading]

    @property
    def capacity(self) -> float:
        """Good answers per second at the best number of clients."""
        return max(reading.good for reading in self.closed.values())

    def share(self, factor: float) -> float:
        """Good answers per second at so many times the capacity, as a share of the capacity."""
        return self.opened[factor].good / self.capacity


def run(rounds: int = ROUNDS, smoke: bool = False, report: Report = print) -> Figures:
    """Measures closed and open loops.

    Returns:
        `good_share_2x`, `good_share_5x`: good answers at so many times the capacity, as a share of the capacity;
        `p50_ratio`: our median latency in times of the no-op's at 8 clients; `throughput_ratio`: our capacity in times
        of the no-op's; each with `_low` and `_high` over the rounds. `unguarded_…`: shares without admission. The
        rest: medians of the readings.

    Raises:
        RuntimeError: the load generator is not installed.
    """
    require_tool()
    plan = SMOKE if smoke else Plan(rounds=rounds)
    endpoint: list[Side] = []
    noop: list[Side] = []
    unguarded: list[Side] = []
    with ExitStack() as stacks:
        guarded_stack = stacks.enter_context(_stack(stacks, {"replicas": 1} if smoke else {}))
        unguarded_stack = stacks.enter_context(_stack(stacks, UNGUARDED)) if plan.unguarded else None
        for url in (guarded_stack.endpoint, guarded_stack.noop):
            closed_loop(url, COMPARED_CLIENTS, 1)
        for number in range(plan.rounds):
            endpoint.append(_measure(guarded_stack.endpoint, plan, plan.factors))
            noop.append(_measure(guarded_stack.noop, plan, ()))
            report(_table(f"round {number + 1}, endpoint", endpoint[-1]))
            report(_table(f"round {number + 1}, no-op", noop[-1]))
            if unguarded_stack:
                unguarded.append(_measure(unguarded_stack.endpoint, plan, OVERLOADS))
                report(_table(f"round {number + 1}, endpoint without admission", unguarded[-1]))
    return _figures(endpoint, noop, unguarded)


def _stack(stacks: ExitStack, endpoint: dict[str, Any]) -> AbstractContextManager[Stack]:
    folder = Path(stacks.enter_context(TemporaryDirectory(prefix="genrec-overload-")))
    return running_stack(folder, endpoint)


def _measure(url: str, plan: Plan, factors: tuple[float, ...]) -> Side:
    closed = {clients: closed_loop(url, clients, plan.seconds) for clients in plan.clients}
    side = Side(closed, {})
    return Side(closed, {factor: open_loop(url, factor * side.capacity, plan.seconds) for factor in factors})


def _figures(endpoint: list[Side], noop: list[Side], unguarded: list[Side]) -> Figures:
    pairs = list(zip(endpoint, noop, strict=True))
    spreads = {
        **{f"good_share_{factor:g}x": [side.share(factor) for side in endpoint] for factor in OVERLOADS},
        "p50_ratio": [a.closed[COMPARED_CLIENTS].p50_ms / b.closed[COMPARED_CLIENTS].p50_ms for a, b in pairs],
        "throughput_ratio": [a.capacity / b.capacity for a, b in pairs],
    }
    if unguarded:
        spreads |= {
            f"unguarded_good_share_{factor:g}x": [side.share(factor) for side in unguarded] for factor in OVERLOADS
        }
    figures: Figures = {}
    for name, values in spreads.items():
        spread = Spread.of(tuple(values))
        figures |= {name: spread.median, f"{name}_low": spread.low, f"{name}_high": spread.high}
    for name, sides in (("endpoint", endpoint), ("noop", noop), ("unguarded", unguarded)):
        if sides:
            figures[name] = {
                "capacity_per_s": median(side.capacity for side in sides),
                "closed": _medians([side.closed for side in sides]),
                "open": _medians([side.opened for side in sides]),
            }
    return figures


def _medians(rounds: Sequence[Mapping[Any, Reading]]) -> Figures:
    return {
        f"{load:g}": {
            name: median(getattr(readings[load], name) for readings in rounds)
            for name in ("offered", "good", "p50_ms", "p99_ms")
        }
        for load in rounds[0]
    }


def _table(title: str, side: Side) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("load", "asked/s", "good/s", "of capacity", "p50 ms", "p99 ms", "other answers"):
        table.add_column(name, justify="left" if name == "load" else "right")
    loads = [(f"{clients} clients", reading) for clients, reading in side.closed.items()]
    loads += [(f"{factor:g} x capacity", reading) for factor, reading in side.opened.items()]
    for name, reading in loads:
        others = ", ".join(f"{status}: {count}" for status, count in sorted(reading.others.items()))
        numbers = (f"{reading.offered:.0f}", f"{reading.good:.0f}", f"{reading.good / side.capacity:.2f}")
        table.add_row(name, *numbers, f"{reading.p50_ms:.0f}", f"{reading.p99_ms:.0f}", others)
    return table
