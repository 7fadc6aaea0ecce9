import re
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from models.artifact import ArtifactError
from models.columns import ACTIONS, ITEM_IDS, TIMESTAMPS, USER_ID
from models.vocabulary import Vocabulary
from serving.history import packed, read_chosen
from serving.loaded import LoadedRelease, LoadError, load_release
from serving.slot import NotLoaded, ReleaseSlot
from tests.interaction_logs import log_of
from tests.serving.world import LIKE, START, World


def test_histories_hold_the_positive_interactions_in_order(release: LoadedRelease) -> None:
    history = release.histories.of(100)
    assert history is not None
    assert history.item_index.tolist() == [1, 2, 3]
    hours = [int((START + timedelta(hours=hour)).timestamp() * 1000) for hour in range(3)]
    assert history.timestamps.tolist() == hours
    assert release.histories.of(200) is None, "a view is not positive"
    assert release.histories.of(300).item_index.tolist() == [0], "item 999 is not in the vocabulary"  # type: ignore[union-attr]
    assert release.histories.of("100").item_index.tolist() == [1, 2, 3]  # type: ignore[union-attr]
    assert release.histories.of("0100") is None
    assert release.histories.of(7) is None
    assert release.histories.of(10**30) is None
    assert release.histories.latest == hours[2]
    assert len(release.histories) == 2


def test_the_latest_day_of_an_item_counts(release: LoadedRelease) -> None:
    assert release.catalogue.titles.to_list()[:5] == [None, "Item 1", "Item 2", "Item 3, renamed", "Item 4"]
    assert release.catalogue.categories[3].to_list() == ["odd", "new"]
    assert sorted(release.catalogue.items_by_category["even"].tolist()) == [2, 4, 6, 8, 10, 12]
    assert release.catalogue.items_by_category["new"].tolist() == [3]


def test_an_item_is_available_from_its_moment_on(release: LoadedRelease) -> None:
    start = int(START.timestamp() * 1000)
    assert not release.catalogue.available(start - 1).any()
    assert np.flatnonzero(release.catalogue.available(start)).tolist() == list(range(1, 12))
    assert release.catalogue.available(4_102_444_800_000)[12]


def test_a_catalogue_that_comes_anew_every_day_makes_no_item_new(world: World) -> None:
    """Each day's rows say that the items are there from that day on; the first of them is right."""
    days = [START + timedelta(days=day) for day in (2, 0, 1)]
    rows = [(item, f"Item {item}", ["all"], day, day.date()) for day in days for item in range(1, world.items + 1)]
    snapshots = pl.DataFrame(rows, schema=world.catalogue(int).schema, orient="row")
    config = world.release("v1").model_copy(update={"items": world.table("items", snapshots)})
    catalogue = load_release(config).catalogue
    start = int(START.timestamp() * 1000)
    assert catalogue.available(start).sum() == world.items
    assert not catalogue.available(start - 1).any()


def test_the_pinned_version_of_a_table_is_read(world: World) -> None:
    config = world.release("v1")
    world.histories(world.sequences(int).head(1))
    assert len(load_release(config).histories) == 2


def test_a_folder_with_another_version_is_refused(world: World) -> None:
    config = world.release("v1").model_copy(update={"version": "v2"})
    with pytest.raises(LoadError, match="holds version v1, not v2"):
        load_release(config)


def test_a_model_that_gives_nan_is_refused(world: World) -> None:
    config = world.release("v1")
    path = config.artifact / "model.safetensors"
    weights = load_file(path)
    save_file({name: value * float("nan") for name, value in weights.items()}, path)
    with pytest.raises(LoadError, match="not finite"):
        load_release(config)


def test_a_failed_replacement_keeps_the_old_release(world: World) -> None:
    slot = ReleaseSlot()
    with pytest.raises(NotLoaded, match="still being loaded"):
        slot.get()
    good = world.release("v1")
    slot.replace(good.model_dump(mode="json"))
    broken = good.model_copy(update={"version": "v2", "artifact": world.root / "nowhere"})
    slot.replace(broken.model_dump(mode="json"))
    status = slot.status()
    assert slot.get().config == good
    assert (status.version, status.desired_version, status.loading) == ("v1", "v2", False)
    assert ArtifactError.__name__ in str(status.last_error)
    assert "nowhere" in str(status.last_error)
    slot.replace({"version": "v3", "surprise": 1})
    assert slot.get().config == good
    assert "surprise" in str(slot.status().last_error)
    slot.replace(world.release("v4").model_dump(mode="json"))
    assert (slot.status().version, slot.status().last_error) == ("v4", None)


def test_the_same_release_is_not_loaded_twice(slot: ReleaseSlot) -> None:
    before = slot.get()
    slot.replace(before.config.model_dump(mode="json"))
    assert slot.get() is before


events = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3)), max_size=6)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.integers(-5, 5), events, max_size=6))
def test_every_user_gets_his_own_events_back(log: dict[int, list[tuple[int, int]]]) -> None:
    vocabulary = Vocabulary(pl.Series([1, 2, 3], dtype=pl.Int64), np.arange(1, 4), np.zeros(4, np.float32))
    frame = pl.DataFrame(
        {
            USER_ID: list(log),
            ITEM_IDS: [[item for item, _ in history] for history in log.values()],
            TIMESTAMPS: [[START + timedelta(minutes=i) for i in range(len(history))] for history in log.values()],
            ACTIONS: [[actions for _, actions in history] for history in log.values()],
        },
        schema={
            USER_ID: pl.Int64,
            ITEM_IDS: pl.List(pl.Int64),
            TIMESTAMPS: pl.List(pl.Datetime("us", "UTC")),
            ACTIONS: pl.List(pl.Int32),
        },
    )
    loaded = packed(read_chosen(log_of(frame, most=3), LIKE, vocabulary))
    for user, history in log.items():
        liked = [item if 1 <= item <= 3 else 0 for item, actions in history if actions & LIKE]
        found = loaded.of(user)
        assert (found.item_index.tolist() if found is not None else []) == liked


def test_items_that_came_later_stand_behind_those_of_the_version(world: World) -> None:
    config = world.release("v1")
    own = load_release(config).artifact
    late = {name: of[5] for name, of in own.vectors.items()}
    other = world.new_items("v0", {99: late})
    assert load_release(config.model_copy(update={"new_items": other})).new_items == 0, "they are another version's"
    table = world.new_items("v1", {99: late, 70: late})
    release = load_release(config.model_copy(update={"new_items": table}))
    assert (release.new_items, release.artifact.vocabulary.item_ids.to_list()[-2:]) == (2, [70, 99])
    assert release.catalogue.titles[-2:].to_list() == [None, None]
    seen = release.histories.of(300)
    assert seen is not None
    assert seen.item_index.tolist() == [0], "999 has not come"


SHORT = pl.col("item_vectors").list.head(1)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (lambda row: pl.concat([row, row]), "the new item 99 is there twice"),
        (lambda row: row.with_columns(item_id=pl.lit(3, pl.Int64)), "the new item 3 is known already"),
        (lambda row: row.with_columns(item_id=pl.lit("99")), "named by String, those of the vocabulary Int64"),
        (lambda row: row.with_columns(SHORT), r"are \(1, 1\), not 1 of width"),
        (lambda row: pl.concat([row, row.with_columns(SHORT)]), r"item_vectors: vectors of \[1, \d+\] dimensions"),
        (
            lambda row: row.with_columns(item_vectors=pl.lit(None, pl.List(pl.Float32))),
            "1 of 1 vectors are missing",
        ),
        (lambda row: row.with_columns(item_vectors=pl.col("item_vectors") * float("nan")), "not finite"),
        (lambda row: row.drop("retrieval_vectors"), "retrieval vectors .* are missing"),
    ],
)
def test_a_damaged_table_of_new_items_is_refused_and_the_release_before_keeps_serving(
    world: World, rows: Callable[[pl.DataFrame], pl.DataFrame], why: str
) -> None:
    slot, config = ReleaseSlot(), world.release("v1")
    slot.replace(config.model_dump(mode="json"))
    vectors = {name: of[5] for name, of in slot.get().artifact.vectors.items()}
    table = world.new_items("v1", {99: vectors})
    damaged = world.table("damaged", rows(pl.read_delta(table.uri)))
    slot.replace(config.model_copy(update={"new_items": damaged}).model_dump(mode="json"))
    assert re.search(f"{why}.*materialize `new_item_vectors`", str(slot.status().last_error))
    assert slot.get().config == config
