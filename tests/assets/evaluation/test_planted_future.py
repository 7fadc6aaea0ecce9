"""Nothing at or after the cutoff changes what training and evaluation see: planted futures are told by their effect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.evaluation.questions import Questions, make_questions
from assets.items.catalogue import known_at
from assets.splits.split import SplitRule, split
from assets.training.dataset import Dataset, read_dataset, read_held_out, write_training_set
from models.config.losses import SampledSoftmaxConfig
from models.config.model import HstuConfig, ItemTowerConfig, ModelConfig
from models.config.training import TrainingConfig
from models.families.registry import build
from models.fitted.config import ItemKnnConfig, PopularityConfig
from models.fitted.item_knn import ItemKnnModel
from models.fitted.popularity import DAY_MS, PopularityModel
from models.training.loop import fit
from storage.schema import TIME
from tests.interaction_logs import case_lists, log_of, training_of

CUTOFF = datetime(2026, 3, 10, tzinfo=UTC)
HOUR = 3_600_000
CLICK, LIKE, SKIP = 1, 2, 4
POSITIVE = CLICK | LIKE
USERS, ITEMS = range(1, 6), range(1, 8)

Event = tuple[int, int, int, int, int | None]
"""(user, item, ms after the cutoff, action, request)"""
Item = tuple[int, int, int, float]
"""(item, day after the cutoff on which the row came, hours after the cutoff when it is available, its content)"""


@dataclass(frozen=True)
class World:
    events: list[Event]
    items: list[Item]

    def plus(self, planted: "World") -> "World":
        return World(self.events + planted.events, self.items + planted.items)


def sequences(events: list[Event]) -> pl.DataFrame:
    """One row per user; what was done with an item in one request is one interaction, at the time of its last event."""
    groups: dict[tuple[int, int, str], list[Event]] = {}
    for event in events:
        user, item, at, _, request = event
        groups.setdefault((user, item, f"at {at}" if request is None else f"request {request}"), []).append(event)
    done = [
        (user, max(e[2] for e in parts), item, int(np.bitwise_or.reduce([e[3] for e in parts])))
        for (user, item, _), parts in groups.items()
    ]
    done.sort(key=lambda interaction: interaction[:2])
    rows = [
        {
            "user_id": user,
            "item_ids": [item for of, _, item, _ in done if of == user],
            "timestamps": [CUTOFF + timedelta(milliseconds=at) for of, at, _, _ in done if of == user],
            "actions": [mask for of, _, _, mask in done if of == user],
        }
        for user in sorted({user for user, *_ in done})
    ]
    return pl.DataFrame(
        rows,
        schema={
            "user_id": pl.Int64,
            "item_ids": pl.List(pl.Int64),
            "timestamps": pl.List(TIME),
            "actions": pl.List(pl.Int32),
        },
    )


def item_rows(items: list[Item]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "item_id": [item for item, *_ in items],
            "day": [(CUTOFF + timedelta(days=day)).date() for _, day, *_ in items],
            "available_from": [CUTOFF + timedelta(hours=hours) for _, _, hours, _ in items],
            "vector": [[content, 1.0] for *_, content in items],
        },
        schema={"item_id": pl.Int64, "day": pl.Date, "available_from": TIME, "vector": pl.List(pl.Float64)},
    )


@dataclass(frozen=True)
class Line:
    """The stages from sequences to questions; a test that wants a leak puts a leaky stage in the place of one."""

    cutoff: datetime = CUTOFF
    catalogue: Callable[[pl.LazyFrame, date], pl.LazyFrame] = known_at
    changed: Callable[[Dataset], Dataset] = lambda dataset: dataset
    more: Mapping[str, Any] = field(default_factory=dict)

    def dataset(self, world: World) -> Dataset:
        return self._run(world).dataset

    def seen(self, world: World) -> dict[str, Any]:
        """Everything that the past decides, by name: values that compare equal only where they are the same bytes."""
        made = self._run(world)
        dataset, questions, vocabulary = made.dataset, made.questions, made.dataset.vocabulary
        trained = vocabulary.ids(vocabulary.trained).to_list()
        known = {item for item, day, *_ in world.items if day < 0}
        described = vocabulary.indices(pl.Series(sorted(known), dtype=pl.Int64))
        rows = vocabulary.indices(pl.Series(sorted(known.union(trained)), dtype=pl.Int64))
        parts_seen = {"training": made.training, "held out": made.leave_one_out_cases}
        knn = ItemKnnModel.fit(ItemKnnConfig(), questions.training, vocabulary).table.toarray()
        popularity = PopularityModel.fit(PopularityConfig(), questions.training, len(vocabulary))
        days = int(CUTOFF.timestamp() * 1000) + DAY_MS * np.arange(-4, 2)
        return {
            **{name: frame.rows() for name, frame in parts_seen.items()},
            **{
                f"{part} {name}": column.tobytes()
                for part, held in (("histories", dataset.histories), ("validation", dataset.validation))
                for name, column in (*held.columns.items(), ("offsets", held.offsets))
            },
            "validation targets": dataset.validation_targets.tobytes(),
            "items of training": trained,
            "popularity": vocabulary.popularity[rows].tobytes(),
            "content": dataset.content[described].tobytes(),
            "cold share": dataset.cold_share,
            "cold items": questions.catalogue.cold[rows].tobytes(),
            "availability": questions.catalogue.available_from[described].tobytes(),
            "training of the simple models": questions.training.item_index.tobytes(),
            "popularity by day": popularity(days)[:, rows].numpy().tobytes(),
            "item-kNN": knn[np.ix_(rows, rows)].tobytes(),
        }

    def histories(self, world: World) -> dict[int, Any]:
        """What each case of the time split reads; who is a case is for the future to say."""
        cases = self._run(world).time_cases
        return {row["user_id"]: (row["item_ids"], row["timestamps"]) for row in cases.iter_rows(named=True)}

    def _run(self, world: World) -> "Made":
        items = item_rows(world.items)
        known = self.catalogue(items.lazy(), self.cutoff.date()).collect()
        log = log_of(sequences(world.events), most=7, catalogue=items["item_id"])
        parts = split(log, SplitRule(self.cutoff, timedelta(days=1), POSITIVE, leave_one_out_users=2))
        with TemporaryDirectory() as folder:
            write_training_set(
                Path(folder),
                parts,
                items,
                known,
                half_life_days=2,
                cold_start=timedelta(hours=24),
                validation_users=2,
                seed=0,
                **self.more,
            )
            dataset, held_out = self.changed(read_dataset(Path(folder))), read_held_out(Path(folder))
            questions = make_questions(held_out, known.select("item_id", "available_from"), dataset.vocabulary)
        cases = (case_lists(log, some) for some in (parts.time_cases, parts.leave_one_out_cases))
        return Made(dataset, questions, training_of(log, parts), *cases)


@dataclass(frozen=True)
class Made:
    """What the line makes of a world: training set, questions, and the split as lists of ids."""

    dataset: Dataset
    questions: Questions
    training: pl.DataFrame
    time_cases: pl.DataFrame
    leave_one_out_cases: pl.DataFrame


def changed_by(planted: World, world: World, line: Line) -> set[str]:
    """Names of what is no longer as it was once the future is planted."""
    before, after = line.seen(world), line.seen(world.plus(planted))
    histories, later = line.histories(world), line.histories(world.plus(planted))
    changed = {f"history of {user}" for user in histories.keys() & later.keys() if histories[user] != later[user]}
    return {name for name, value in before.items() if after[name] != value} | changed


past = st.one_of(st.just(-1), st.integers(-60, -1).map(lambda hours: hours * HOUR))
future = st.one_of(st.just(0), st.integers(0, 40).map(lambda hours: hours * HOUR))


def events(at: st.SearchStrategy[int], users: range, items: range, requests: range) -> st.SearchStrategy[Event]:
    return st.tuples(
        st.sampled_from(users),
        st.sampled_from(items),
        at,
        st.sampled_from([CLICK, LIKE, SKIP]),
        st.one_of(st.none(), st.sampled_from(requests)),
    )


def items(days: st.SearchStrategy[int], ids: range) -> st.SearchStrategy[Item]:
    return st.tuples(st.sampled_from(ids), days, st.integers(-90, 40), st.floats(0, 1, width=32))


ALWAYS: list[Event] = [(user, user, -50 * HOUR + user, CLICK, None) for user in USERS]
"""There is always something to train on."""

worlds = st.builds(
    World,
    st.lists(events(past, USERS, ITEMS, range(5)), max_size=30).map(lambda found: ALWAYS + found),
    st.lists(items(st.integers(-5, -1), ITEMS), max_size=10, unique_by=lambda item: item[:2]),
)
futures = st.builds(
    World,
    st.lists(events(future, range(1, 9), range(1, 12), range(5, 10)), min_size=1, max_size=20),
    st.lists(items(st.integers(0, 3), range(1, 12)), max_size=8, unique_by=lambda item: item[:2]),
)


@settings(max_examples=60, deadline=None)
@given(world=worlds, planted=futures, by=st.sampled_from([None, "item", "kind"]))
def test_a_planted_future_changes_nothing_that_training_and_evaluation_see(
    world: World, planted: World, by: str | None
) -> None:
    assert not changed_by(planted, world, Line(more={"merge_adjacent": by}))


@settings(max_examples=40, deadline=None)
@given(world=worlds, planted=futures)
def test_equal_times_stand_on_one_side(world: World, planted: World) -> None:
    whole = world.plus(planted)
    parts = Line()._run(whole)
    trained = {at for times in parts.training["timestamps"] for at in times}
    for case in parts.time_cases.iter_rows(named=True):
        assert max(case["timestamps"]) < CUTOFF <= case["request_time"]
    assert all(at < CUTOFF for at in trained)
    for case in parts.leave_one_out_cases.iter_rows(named=True):
        assert max(case["timestamps"]) < case["request_time"] < CUTOFF
        mine = parts.training.filter(pl.col("user_id") == case["user_id"])["timestamps"][0]
        assert max(mine) < case["request_time"]


WORLD = World(
    [
        *ALWAYS,
        (1, 2, -30 * HOUR, CLICK, None),
        (1, 3, -2 * HOUR, LIKE, None),
        (2, 7, -HOUR, CLICK, None),
        *((user, item, -item * HOUR, CLICK, None) for user in (4, 5) for item in (1, 2, 3)),
    ],
    [(item, -4, -80, 0.1 * item) for item in ITEMS],
)
PLANTED = World(
    [(1, 5, 0, LIKE, None), (2, 3, 0, CLICK, None), (7, 9, 0, CLICK, None), (3, 1, 5 * HOUR, CLICK, None)],
    [(2, 0, 30, 0.9), (9, 0, 0, 0.5), (10, 1, 0, 0.5)],
)


def newest(items: pl.LazyFrame, cutoff: date) -> pl.LazyFrame:
    return items.sort("day").unique("item_id", keep="last", maintain_order=True)


def with_share_of_the_whole_catalogue(made: Dataset) -> Dataset:
    return replace(made, cold_share=1 - len(made.vocabulary.trained) / len(made.vocabulary))


@pytest.mark.parametrize(
    ("leaky", "told_by"),
    [
        (Line(cutoff=CUTOFF + timedelta(milliseconds=1)), {"training", "popularity", "item-kNN"}),
        (Line(catalogue=newest), {"content", "availability"}),
        (Line(changed=with_share_of_the_whole_catalogue), {"cold share"}),
    ],
    ids=["cutoff at its own moment", "newest catalogue", "catalogue counted whole"],
)
def test_a_leak_is_caught(leaky: Line, told_by: set[str]) -> None:
    assert not changed_by(PLANTED, WORLD, Line())
    found = changed_by(PLANTED, WORLD, leaky)
    assert told_by <= found


def weights(world: World, line: Line) -> dict[str, torch.Tensor]:
    dataset = line.dataset(world)
    torch.manual_seed(0)
    shape = ModelConfig(
        width=8,
        max_length=4,
        backbone=HstuConfig(layers=1, heads=1, head_dim=8),
        items=ItemTowerConfig(content_dim=2, id_masking=0.2),
    )
    loss = SampledSoftmaxConfig(negatives=8, cold_negatives=dataset.cold_share)
    trained = torch.from_numpy(dataset.vocabulary.trained)
    model = build(shape, len(dataset.vocabulary), trained, torch.from_numpy(dataset.content))
    return dict(fit(model, dataset.histories, TrainingConfig(epochs=2, batch_size=2, loss=loss)).state_dict())


def test_a_model_is_the_same_to_the_bit_whatever_the_future_brings() -> None:
    before, after = weights(WORLD, Line()), weights(WORLD.plus(PLANTED), Line())
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    leaked = weights(WORLD.plus(PLANTED), Line(changed=with_share_of_the_whole_catalogue))
    assert any(not torch.equal(value, leaked[name]) for name, value in before.items())


def test_a_request_that_goes_on_past_the_cutoff_is_hidden_whole() -> None:
    straddling = World([(1, 3, HOUR, LIKE, 1)], [])
    world = World([*ALWAYS, (1, 3, -HOUR, CLICK, 1), (1, 4, -2 * HOUR, CLICK, None)], [])
    before, after = (Line()._run(w).time_cases.rows() for w in (world, world.plus(straddling)))
    assert not before
    ((user, seen, *_, targets),) = after
    assert (user, seen, targets) == (1, [1, 4], [3])
