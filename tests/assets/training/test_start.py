"""Training on from the champion: what it was stays to the bit, what is new is appended, and why it may not is said."""

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from assets.splits.settings import EvaluationSettings
from assets.training.dataset import read_dataset, write_modalities
from assets.training.lineage import lineage_table
from assets.training.ray_train import TrainingJob, new_model, vocabulary_of
from assets.training.settings import TrainingSettings
from assets.training.start import start_of, why_not_from
from assets.training.training_set import TrainingSetRecord, TrainingSetSettings, make_training_set
from assets.training.version import TrainedVersion, fitted, new_manifest, train_version
from assets.versions import ARTIFACTS, DATASETS, artifacts_of, releases_of
from models.artifact import load_artifact
from models.auto import read_section
from models.columns import DAY, ITEM_ID
from models.config.training import TrainingConfig
from models.manifest import CONFIG, MODEL, OPTIMIZER, Manifest
from models.modalities import Modality
from storage.lake import Lake
from storage.schema import ITEMS_TABLE, SUPPRESSIONS_SCHEMA, SUPPRESSIONS_TABLE, items_schema
from tests.assets.sequences.test_build import FIRST, events, put, update

ID_TABLE = "items.ids.weight"
MODEL_SETTINGS = {
    "width": 8,
    "max_length": 8,
    "backbone": {"name": "hstu_research", "layers": 1, "heads": 1, "head_dim": 8},
}
SETTINGS = TrainingSettings.model_validate(
    {
        "positive_actions": ["click"],
        "use_content": False,
        "validation_users": 2,
        "model": MODEL_SETTINGS,
        "optimisation": {"epochs": 2, "batch_size": 4, "loss": {"negatives": 8}},
    }
)
SET_SETTINGS = TrainingSetSettings.of(SETTINGS, EvaluationSettings(leave_one_out_users=2))


def day(lake: Lake, number: int, items: list[str]) -> None:
    """Each of twelve users clicks two of the `items`."""
    rows = [
        (f"u{n}", items[(2 * number + k + n) % len(items)], 86_400 * number + 60 * n + k, "click", None, None, None, n)
        for n in range(12)
        for k in range(2)
    ]
    put(lake, events(rows, number), number)
    update(lake)


def list_items(lake: Lake, items: list[str]) -> None:
    catalogue = pl.DataFrame({ITEM_ID: items}).with_columns(pl.lit(FIRST).alias(DAY))
    schema = items_schema("string")
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in catalogue.columns]
    lake.overwrite(ITEMS_TABLE, catalogue.with_columns(missing).select(pl.col(n).cast(t) for n, t in schema.items()))


def prepared(lake: Lake) -> tuple[TrainingSetRecord, Path, Manifest]:
    record = make_training_set(lake, SET_SETTINGS)
    manifest = new_manifest("shop", SETTINGS.model.family, SETTINGS, record, ["click"], split=SET_SETTINGS.evaluation)
    return record, lake.folder(DATASETS) / record.name, manifest


def train(lake: Lake, parent: str | None, told: list[str], settings: TrainingSettings = SETTINGS) -> TrainedVersion:
    _, folder, manifest = prepared(lake)
    tell = lambda progress: told.append(str(progress))  # noqa: E731
    start = start_of(lake, ARTIFACTS, parent, settings.model, manifest, tell) if parent else None
    return train_version(
        lake,
        manifest,
        folder,
        settings,
        settings.model,
        settings.optimisation,
        workers=0,
        with_content=True,
        start=start,
        on_progress=tell,
        keep_optimizer=settings.keep_optimizer,
    )


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, TrainedVersion, TrainedVersion, list[str]]:
    """A first version, which becomes champion, and a second one of a later night, when there are items m and a more."""
    lake, told = Lake(str(tmp_path_factory.mktemp("lake"))), list[str]()
    list_items(lake, ["d", "c", "b", "z", "never"])
    for number in range(3):
        day(lake, number, ["d", "c", "b", "z"])
    first = train(lake, releases_of(lake).champion(), told)
    releases_of(lake).promote(first.manifest.version, "the first one")
    list_items(lake, ["d", "c", "b", "z", "never", "m", "a"])
    for number in (3, 4):
        day(lake, number, ["a", "d", "m", "b", "c", "z"])
    return lake, first, train(lake, releases_of(lake).champion(), told), told


def test_the_first_version_starts_from_scratch_and_the_next_from_the_champion(
    nights: tuple[Lake, TrainedVersion, TrainedVersion, list[str]],
) -> None:
    _, first, second, told = nights
    said = [sentence for sentence in told if "start" in sentence]
    assert said == [f"training starts from version {first.manifest.version}"]
    assert (first.manifest.parent, second.manifest.parent) == (None, first.manifest.version)
    assert (first.manifest.ancestors, second.manifest.ancestors) == ([], [first.manifest.version])
    shown = lineage_table(nights[0], second.manifest)
    assert shown.startswith(f"{second.manifest.version} ← {first.manifest.version} ← scratch")
    cards = [(version.folder / "MODEL_CARD.md").read_text() for version in (first, second)]
    assert "Trained from scratch" in cards[0]
    assert f"weights of version {first.manifest.version}" in cards[1]


def test_what_the_champion_trained_is_the_same_to_the_bit_and_new_items_follow(
    nights: tuple[Lake, TrainedVersion, TrainedVersion, list[str]],
) -> None:
    lake, first, second, _ = nights
    dataset = read_dataset(lake.folder(DATASETS) / second.manifest.training_set)
    assert second.manifest.training
    job = TrainingJob(
        str(lake.folder(DATASETS) / second.manifest.training_set),
        "",
        load_artifact(second.folder).model.config,
        second.manifest.training,
        workers=0,
        start=str(first.folder),
    )
    assert TrainingJob.read(json.loads(json.dumps(job.as_json()))) == job, "every worker starts from what it is told"
    vocabulary = vocabulary_of(job, dataset)
    assert vocabulary.ids(vocabulary.trained).to_list() == ["b", "c", "d", "z", "a", "m"]
    kept = load_artifact(second.folder).vocabulary
    assert kept.trained.tolist() == vocabulary.trained.tolist()
    before = load_artifact(first.folder).vocabulary
    assert before.item_ids.to_list() == kept.item_ids.to_list()[: len(before)], "no item changes its index"
    parent, started = load_file(first.folder / MODEL), new_model(job, dataset).state_dict()
    assert torch.equal(started[ID_TABLE][:5], parent[ID_TABLE])
    assert all(torch.equal(weight, parent[name]) for name, weight in started.items() if name != ID_TABLE)
    apart = started[ID_TABLE][5:] - parent[ID_TABLE][1:].mean(0)
    assert apart.shape == (2, 8), "without content they begin in the middle of the others"
    assert 0 < apart.abs().max() <= 0.04 + 1e-6
    assert not torch.equal(load_file(second.folder / MODEL)[ID_TABLE][:5], parent[ID_TABLE]), "it learned on"


def test_the_optimiser_is_kept_with_a_version_where_the_profile_says_so_and_goes_on(
    nights: tuple[Lake, TrainedVersion, TrainedVersion, list[str]],
) -> None:
    lake, first, second, _ = nights
    steps = [int(load_file(version.folder / OPTIMIZER)[f"{ID_TABLE}.step"]) for version in (first, second)]
    assert steps[1] > steps[0] > 0, "it counts on"
    without = train(lake, None, [], SETTINGS.model_copy(update={"keep_optimizer": False}))
    assert not (without.folder / OPTIMIZER).exists()
    on = train(lake, without.manifest.version, [])
    assert on.manifest.parent == without.manifest.version, "a version without it can be started from, too"
    assert int(load_file(on.folder / OPTIMIZER)[f"{ID_TABLE}.step"]) < steps[1]


def test_a_set_that_is_trained_on_from_a_champion_holds_out_whom_that_held_out(
    nights: tuple[Lake, TrainedVersion, TrainedVersion, list[str]],
) -> None:
    lake, first, _, _ = nights
    training = read_section(TrainingSettings, {"positive_actions": ["click"], "use_content": False})
    for start, held_out in ((None, 3), ("champion", 2)):
        settings = TrainingSetSettings.of(training, read_section(EvaluationSettings, {}))
        record = make_training_set(lake, settings.model_copy(update={"start_from": start}))
        assert record.settings.evaluation.leave_one_out_users == held_out
    assert first.manifest.version in record.chosen["evaluation.leave_one_out_users"].reason
    by_hand = TrainingSetSettings.of(training, EvaluationSettings(leave_one_out_users=1))
    record = make_training_set(lake, by_hand.model_copy(update={"start_from": "champion"}))
    assert record.settings.evaluation.leave_one_out_users == 1, "what is written by hand is obeyed"


def test_other_rates_are_no_other_model(nights: tuple[Lake, TrainedVersion, TrainedVersion, list[str]]) -> None:
    lake, first, _, _ = nights
    config = load_artifact(first.folder).model.config
    other = type(config).model_validate(config.model_dump() | {"input_dropout": 0.7})
    assert why_not_from(lake, first.folder, other, first.manifest) is None


def test_another_start_is_another_run_and_the_same_one_the_same(
    nights: tuple[Lake, TrainedVersion, TrainedVersion, list[str]],
) -> None:
    lake, first, second, _ = nights
    again = train(lake, first.manifest.version, [])
    scratch = train(lake, None, [])
    assert again.fingerprint == second.fingerprint != scratch.fingerprint
    weights = [load_file(version.folder / MODEL)[ID_TABLE] for version in (again, second, scratch)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert scratch.manifest.parent is None


def test_a_lake_made_anew_finds_the_items_of_the_champion_by_their_ids(
    nights: tuple[Lake, TrainedVersion, TrainedVersion, list[str]], tmp_path: Path
) -> None:
    _, first, _, _ = nights
    lake = Lake(str(tmp_path))
    list_items(lake, ["z", "a", "b"])
    for number in range(3):
        day(lake, number, ["z", "a", "b"])
    _, folder, _ = prepared(lake)
    dataset = read_dataset(folder)
    config = load_artifact(first.folder).model.config
    model = new_model(TrainingJob(str(folder), "", config, TrainingConfig(), 0, start=str(first.folder)), dataset)
    parent, artifact = load_file(first.folder / MODEL)[ID_TABLE], load_artifact(first.folder)
    theirs = artifact.vocabulary.ids(artifact.vocabulary.trained).to_list()
    for item in ("b", "z"):
        place = int(model.items.places[int(dataset.vocabulary.indices([item])[0])])
        assert torch.equal(model.items.ids.weight[place], parent[theirs.index(item) + 1])


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"model": {"width": 16}}, "width is 16, not 8"),
        ({"model": {"decoding_width": 2}}, "decoding_width is 2, not 0"),
        ({"model": {"items": {"content_dim": 5}}}, "items.content_dim is 5, not 0"),
        ({"model": {"items": {"content_dim": 5, "gate": "age"}}}, "items.gate is age, not none"),
        ({"manifest": {"held_out_users": 9}}, "held_out_users is 9, not 2"),
        ({"manifest": {"cutoff": -timedelta(days=1)}}, "it has seen what this version is asked"),
        ({"parent": "gone"}, "missing, damaged or of an earlier release"),
    ],
)
def test_what_cannot_be_started_from_is_said_before_training(
    nights: tuple[Lake, TrainedVersion, TrainedVersion, list[str]], changed: dict[str, Any], named: str
) -> None:
    lake, first, _, _ = nights
    config = load_artifact(first.folder).model.config
    model = type(config).model_validate(config.model_dump() | changed.get("model", {}))
    manifest = first.manifest
    for name, value in changed.get("manifest", {}).items():
        moved = getattr(manifest, name) + value if isinstance(value, timedelta) else value
        manifest = manifest.model_copy(update={name: moved})
    parent = changed.get("parent", first.manifest.version)
    assert named in (why_not_from(lake, artifacts_of(lake) / parent, model, manifest) or "")
    assert why_not_from(lake, first.folder, config, first.manifest) is None


def test_a_champion_of_another_width_is_named_before_the_first_step_and_training_goes_on_from_scratch(
    nights: tuple[Lake, TrainedVersion, TrainedVersion, list[str]],
) -> None:
    lake, first, _, _ = nights
    told: list[str] = []
    wider = SETTINGS.model_copy(update={"model": SETTINGS.model.model_copy(update={"width": 16})})
    version = train(lake, first.manifest.version, told, wider)
    assert told[0].startswith(f"training starts from scratch, not from version {first.manifest.version}: ")
    assert "width is 16, not 8" in told[0]
    assert version.manifest.parent is None


def test_what_a_forgotten_person_taught_is_not_trained_on(
    nights: tuple[Lake, TrainedVersion, TrainedVersion, list[str]], tmp_path: Path
) -> None:
    _, first, _, _ = nights
    config = load_artifact(first.folder).model.config
    for when, refused in ((-timedelta(days=1), False), (timedelta(seconds=1), True)):
        lake = Lake(str(tmp_path / str(refused)))
        person = [(1, "salt", "digest", first.manifest.created + when, "a letter")]
        lake.overwrite(SUPPRESSIONS_TABLE, pl.DataFrame(person, schema=SUPPRESSIONS_SCHEMA, orient="row"))
        assert ("forgotten" in (why_not_from(lake, first.folder, config, first.manifest) or "")) == refused


def test_a_damaged_champion_ends_no_nightly_run(
    nights: tuple[Lake, TrainedVersion, TrainedVersion, list[str]], tmp_path: Path
) -> None:
    lake, first, _, _ = nights
    copy = tmp_path / "hstu" / first.manifest.version
    for name, spoil in (("model.safetensors", b"xx"), ("vocabulary.parquet", b"PAR1")):
        copy.mkdir(parents=True, exist_ok=True)
        for path in first.folder.iterdir():
            (copy / path.name).write_bytes(path.read_bytes())
        (copy / name).write_bytes(spoil)
        config = load_artifact(first.folder).model.config
        assert "damaged" in (why_not_from(lake, copy, config, first.manifest) or "")


def test_a_model_that_is_finished_is_read_with_the_items_in_its_order(
    nights: tuple[Lake, TrainedVersion, TrainedVersion, list[str]],
) -> None:
    _, _, second, _ = nights
    artifact = load_artifact(second.folder)
    table = artifact.model.items.ids.weight.detach()
    vectors = artifact.item_vectors[torch.from_numpy(artifact.vocabulary.trained)]
    torch.testing.assert_close(vectors, table[1:])
    never = artifact.vocabulary.indices(["never"])
    torch.testing.assert_close(artifact.item_vectors[torch.from_numpy(never)], table[:1])


TEXT = {"width": 3, "encoder": "text:mini"}


@pytest.mark.parametrize(
    ("now", "named"),
    [
        ({"text": TEXT}, None),
        ({"text": TEXT | {"encoder": "text:maxi"}}, "items.modalities.text.encoder is text:maxi, not text:mini"),
        ({"text": {"width": 1}, "tags": {"width": 2}}, "items.modalities.tags.width is 2, not None"),
    ],
)
def test_content_of_another_kind_is_refused_by_name(
    nights: tuple[Lake, TrainedVersion, TrainedVersion, list[str]],
    tmp_path: Path,
    now: dict[str, Any],
    named: str | None,
) -> None:
    """The vectors have one width; what they are made of is what tells."""
    lake, first, _, _ = nights
    folder = tmp_path / first.folder.name
    shutil.copytree(first.folder, folder)
    config = load_artifact(first.folder).model.config.model_dump(mode="json")
    told = {
        name: config | {"items": {"content_dim": 3, "modalities": some}}
        for name, some in (("then", {"text": TEXT}), ("now", now))
    }
    (folder / CONFIG).write_text(json.dumps(told["then"]))
    model = type(load_artifact(first.folder).model.config).model_validate(told["now"])
    why = why_not_from(lake, folder, model, first.manifest)
    assert why is None if named is None else named in (why or "")
    (folder / CONFIG).write_text(json.dumps(config | {"items": {"content_dim": 3}}))
    assert why_not_from(lake, folder, model, first.manifest) is None, "a version of earlier code does not say"


def test_a_model_is_fitted_to_what_the_content_is_made_of_and_gated_where_the_profile_says_so(tmp_path: Path) -> None:
    modalities = {"text": Modality(width=2, encoder="text:mini"), "tags": Modality(width=1)}
    write_modalities(tmp_path, modalities)
    np.save(tmp_path / "content.npy", np.zeros((3, 3), np.float32))
    gated = SETTINGS.model_copy(update={"item_gate": "age"})
    with_content, without = (fitted(SETTINGS.model, gated, folder).items for folder in (tmp_path, None))
    assert (with_content.content_dim, with_content.modalities, with_content.gate) == (3, modalities, "age")
    assert (without.content_dim, without.modalities, without.gate) == (0, {}, "none")
