"""A version trained on a catalogue, and what it makes of an item that the catalogue did not list then."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.argus.config import EmbeddingConfig
from models.argus.model import Argus
from models.argus.two_towers import TwoTowers
from models.artifact import Artifact
from models.config.model import HstuConfig, ItemTowerConfig, ModelConfig, SasrecConfig
from models.families.family import NoNewItems
from models.families.registry import build
from models.fitted.blend import BlendModel
from models.fitted.config import BlendConfig, ItemKnnConfig, PopularityConfig
from models.fitted.item_knn import ItemKnnModel
from models.interactions import Interactions
from models.manifest import Manifest
from models.new_items import NewItems, NewItemsError, new_items, with_new_items
from models.popularity import PopularityOverTime
from models.vocabulary import Vocabulary
from tests.models.argus.worlds import config, enlarged, towers_config
from tests.models.fitted.worlds import fitted, some_interactions

NOW = datetime(2026, 1, 2, tzinfo=UTC)
AT = int(NOW.timestamp() * 1000)
ITEMS, TRAINED, LATE = 95, 60, 3
"""The rest was never touched; of these the last three are left out of the catalogue. With the place of no item they are
96, for the last rows of a matrix product whose number is odd are rounded otherwise."""

CONTENT = torch.randn(ITEMS + 1, 5, generator=torch.Generator().manual_seed(1))
TOWER = ItemTowerConfig(content_dim=5)
AGE_GATE = TOWER.model_copy(update={"gate": "age"})


def recommender(items: int, tower: ItemTowerConfig = TOWER, **more: Any) -> Any:
    backbone = HstuConfig(layers=1, heads=1, head_dim=8)
    shape = ModelConfig(width=8, max_length=4, backbone=backbone, items=tower, **more)
    counts = np.zeros((2, items + 1), np.float32)
    counts[:, 1 : TRAINED + 1] = [np.arange(TRAINED) + 1, np.arange(TRAINED)[::-1] + 2]
    over_time = PopularityOverTime(np.array([0, AT]), counts)
    torch.manual_seed(0)
    model = build(shape, items, torch.arange(1, TRAINED + 1), CONTENT[: items + 1], over_time)
    torch.nn.init.normal_(model.items.ids.weight)
    if model.items.gate is not None:
        for weight in model.items.gate.parameters():
            torch.nn.init.normal_(weight)
    return model


def blend(items: int) -> BlendModel:
    trained, chosen = recommender(items, popularity=True).eval(), some_interactions(items=TRAINED)
    shape = ItemKnnConfig(neighbours=5)
    vectors = trained_exports(trained, items)
    of_both = BlendConfig(recommender=trained.config, item_knn=shape, max_length=4, weight=0.3, temperature=1.0)
    return BlendModel(of_both, trained, ItemKnnModel.fit(shape, chosen, vocabulary(items)), vectors)


def trained_exports(model: Any, items: int) -> Any:
    return {name: vectors for name, vectors in Artifact.of(manifest(), model, vocabulary(items)).vectors.items()}


def argus(kind: Callable[..., Any], shape: Any, items: int) -> Any:
    torch.manual_seed(0)
    model = enlarged(kind(shape, items, torch.arange(1, TRAINED + 1), CONTENT[: items + 1]))
    torch.manual_seed(1)
    for name in ("quality.of_item", "of_items"):
        if name in model.state_dict():
            of_items = model.get_buffer(name)
            of_items[1 : TRAINED + 1] = 1
    if getattr(model.next_item, "popularity", None) is not None:
        counts = np.zeros((2, items + 1), np.float32)
        counts[:, 1 : TRAINED + 1] = np.arange(TRAINED) + 1
        model.next_item.learn(PopularityOverTime(np.array([0, AT]), counts))
    return model


TOLD = {"embedding": EmbeddingConfig(rows=97, dim=4), "items": TOWER}
MODELS: dict[str, Callable[[int], Any]] = {
    "cosines": lambda items: recommender(items, popularity=False),
    "popularity": lambda items: recommender(items, popularity=True),
    "fewer dimensions": lambda items: recommender(items, popularity=True, decoding_width=4),
    "an age gate": lambda items: recommender(items, AGE_GATE, popularity=True),
    "blend": blend,
    "argus": lambda items: argus(Argus, config(popularity=True, quality={}, **TOLD), items),
    "argus, no popularity": lambda items: argus(Argus, config(popularity=False, **TOLD), items),
    "two towers": lambda items: argus(TwoTowers, towers_config(**TOLD), items),
}


def manifest() -> Manifest:
    return Manifest(version="v1", created=NOW, cutoff=NOW, data_end=NOW, positive_actions=["click"])


def vocabulary(items: int, unlisted: int = 0) -> Vocabulary:
    popularity = np.zeros(items + 1, np.float32)
    popularity[1 : TRAINED + 1] = np.arange(TRAINED)
    ids = pl.Series([f"item {row:02}" for row in range(1, items + 1)])
    return Vocabulary(ids, np.arange(1, TRAINED + 1), popularity, np.arange(items - unlisted + 1, items + 1))


def artifact(kind: str, items: int, unlisted: int = 0) -> Artifact:
    """As it is loaded: without content."""
    made = Artifact.of(manifest(), MODELS[kind](items), vocabulary(items, unlisted))
    state = made.model.state_dict()
    return replace(made, model=made.family.load(made.model.config, made.vocabulary, state, made.vectors).eval())


LATE_IDS = pl.Series([f"item {row:02}" for row in range(ITEMS - LATE + 1, ITEMS + 1)])


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("named_by_the_log", [False, True])
def test_it_is_what_the_version_would_have_had(kind: str, named_by_the_log: bool) -> None:
    """To the bit: the vectors, and what is answered, however early somebody asks and whatever they have read."""
    whole = artifact(kind, ITEMS)
    # What the log names and no catalogue lists has an index, but is unknown.
    before = artifact(kind, ITEMS, unlisted=LATE) if named_by_the_log else artifact(kind, ITEMS - LATE)
    assert before.vocabulary.indices(LATE_IDS).tolist() == [0] * LATE
    late = new_items(before, LATE_IDS, CONTENT[-LATE:])
    for name, vectors in late.vectors.items():
        assert torch.equal(vectors, whole.vectors[name][-LATE:]), name
    after = with_new_items(before, late)
    assert after.vocabulary.item_ids.equals(whole.vocabulary.item_ids)
    for name, of_all in after.vectors.items():
        assert torch.equal(of_all, whole.vectors[name]), name
    histories = Interactions.of([([1, 2, ITEMS], [0, 5, 9]), ([ITEMS - 1], [3]), ([4, 4], [1, AT - 5])])
    for asked in (10, AT - 1, AT + 1):
        times = np.maximum(np.full(3, asked), [9, 3, AT - 5])
        scores = after.family.score(after, histories, times)
        assert torch.equal(scores, whole.family.score(whole, histories, times))
        assert scores[:, -LATE:].isfinite().all()
    # Nothing of what it said before is another, and what it was made of stays as it is.
    known = Interactions.of([([1, 2], [0, 5])])
    then, now = (one.family.score(one, known, np.array([AT])) for one in (before, after))
    if kind != "blend" and not kind.startswith("argus"):  # These spread a probability over all items.
        torch.testing.assert_close(then[:, 1 : ITEMS - LATE + 1], now[:, 1 : ITEMS - LATE + 1])
    assert len(before.vocabulary) == (ITEMS if named_by_the_log else ITEMS - LATE)


def test_a_single_item_is_the_same_as_among_many() -> None:
    width = torch.randn(ITEMS - LATE, 384, generator=torch.Generator().manual_seed(3))
    shape = ModelConfig(width=50, max_length=4, items=ItemTowerConfig(content_dim=384))
    model = build(shape, len(width) - 1, torch.arange(1, TRAINED + 1), width).eval()
    one = Artifact.of(manifest(), model, vocabulary(len(width) - 1))
    many = new_items(one, pl.Series(map(str, range(200))), width[-1:].expand(200, -1)).vectors
    for name, vectors in new_items(one, pl.Series(["a"]), width[-1:]).vectors.items():
        assert torch.equal(vectors[0], many[name][-1])


def test_what_knows_items_by_who_chose_them_says_so() -> None:
    for kind in (PopularityConfig(), ItemKnnConfig()):
        counted = fitted(kind, some_interactions(), 12)
        with pytest.raises(NoNewItems, match=f"family {counted.family.name} knows an item by who chose it alone"):
            new_items(counted, LATE_IDS, CONTENT[-LATE:])
    shape = ModelConfig(width=8, max_length=4, backbone=SasrecConfig())
    model = build(shape, ITEMS - LATE, torch.arange(1, TRAINED + 1)).eval()
    with pytest.raises(NoNewItems, match="trained without content"):
        new_items(Artifact.of(manifest(), model, vocabulary(ITEMS - LATE)), LATE_IDS, CONTENT[-LATE:])


def test_content_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="content embeddings are 4 wide, but the model is configured for 5"):
        new_items(artifact("popularity", ITEMS - LATE), LATE_IDS, CONTENT[-LATE:, :4])
    content = CONTENT[-LATE:].clone()
    content[1, 0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        new_items(artifact("popularity", ITEMS - LATE), LATE_IDS, content)


@pytest.mark.parametrize(("ids", "why"), [(["a", "b", "a"], "'a' is there twice"), (["a", None, "b"], "has no id")])
def test_items_without_an_id_of_their_own_get_no_vectors(ids: list[Any], why: str) -> None:
    with pytest.raises(NewItemsError, match=f"{why}: materialize `content_embeddings`"):
        new_items(BEFORE, pl.Series(ids), CONTENT[-LATE:])


BEFORE = artifact("popularity", ITEMS - LATE)
GOOD = new_items(BEFORE, LATE_IDS, CONTENT[-LATE:])


def damaged(name: str, value: float) -> dict[str, torch.Tensor]:
    vectors = {name: of.clone() for name, of in GOOD.vectors.items()}
    vectors[name][1, 0] = value
    return vectors


@pytest.mark.parametrize(
    ("ids", "vectors", "why"),
    [
        (["new a", "new b", "new a"], GOOD.vectors, "'new a' is there twice"),
        (["new a", "item 03", "new b"], GOOD.vectors, "'item 03' is known already"),
        (["new a", None, "new b"], GOOD.vectors, "has no id"),
        ([1, 2, 3], GOOD.vectors, "named by Int64, those of the vocabulary String"),
        (["a", "b"], GOOD.vectors, r"are \(3, 8\), not 2 of width 8"),
        (LATE_IDS.to_list(), {}, "are missing"),
        (LATE_IDS.to_list(), dict(zip(GOOD.vectors, [*GOOD.vectors.values()][::-1], strict=True)), r"\(3, 9\), not"),
        (
            LATE_IDS.to_list(),
            damaged("retrieval_vectors", float("nan")),
            "retrieval vectors .* not finite, or too long, at item 'item 94'",
        ),
        (LATE_IDS.to_list(), damaged("item_vectors", 1e30), "item vectors .* too long, at item 'item 94'"),
    ],
)
def test_vectors_that_are_not_of_the_version_are_refused(ids: list[Any], vectors: Any, why: str) -> None:
    with pytest.raises(NewItemsError, match=f"{why}.*materialize `new_item_vectors`"):
        with_new_items(BEFORE, NewItems(pl.Series(ids), vectors))


ids = st.lists(st.integers(0, 30), unique=True, max_size=12)


@settings(max_examples=60, deadline=None)
@given(own=ids, unlisted=st.sets(st.integers(0, 30)), new=ids)
def test_every_new_item_gets_an_index_of_its_own_and_no_other_moves(
    own: list[int], unlisted: set[int], new: list[int]
) -> None:
    unknown = [place + 1 for place, item in enumerate(own) if item in unlisted]
    trained = [place + 1 for place, item in enumerate(own) if item not in unlisted][:2]
    before = Vocabulary(
        pl.Series(own, dtype=pl.Int64),
        np.array(trained, np.int64),
        np.arange(len(own) + 1, dtype=np.float32),
        np.array(unknown, np.int64),
    )
    wanted = pl.Series([item for item in new if not before.indices([item])[0]], dtype=pl.Int64)
    after, indices = before.with_items(wanted)
    assert after.indices(wanted).tolist() == indices.tolist()
    assert (indices > 0).all()
    assert after.ids(indices).equals(wanted)
    assert after.item_ids[: len(own)].to_list() == own
    assert after.trained.tolist() == trained
    assert set(after.known_items) == {*before.known_items, *indices}
    assert after.popularity[: len(own) + 1].tolist() == before.popularity.tolist()
    assert not after.popularity[len(own) + 1 :].any()
