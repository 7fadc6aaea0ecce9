"""Profiles: what they resolve to, and that a wrong one ends in a sentence that names file, key and cure."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from pathlib import Path

import dagster as dg
import polars.selectors as cs
import pytest
import yaml
from pydantic import BaseModel

from assets.events.assets import events
from assets.items.assets import items
from assets.sequences.assets import sequences
from assets.sources.assets import raw_events, raw_items
from orchestration.launchpad import models_of
from orchestration.profile import PROFILES, SECTIONS, Profile, load_profile
from orchestration.profile_yaml import ProfileError
from orchestration.resources import build_resources, storage_of
from storage.sequence_store import scan_sequences

GOOD = {"first_day": "2026-01-01", "id_type": "int64", "source": {"kind": "demo_world"}}
TRAINING = {"positive_actions": ["click"]}


def write(folder: Path, **changes: object) -> str:
    path = folder / "shop.yaml"
    path.write_text(yaml.safe_dump({**GOOD, "training": TRAINING, **changes}))
    return str(path)


@pytest.mark.parametrize("name", sorted(path.stem for path in PROFILES.glob("*.yaml")))
def test_every_profile_that_comes_along_is_valid(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("GENREC_ML1M", "GENREC_KUAIRAND"):
        monkeypatch.setenv(folder, str(tmp_path))
    profile = load_profile(name)
    assert profile.name == name
    assert set(build_resources(profile)) >= {"lake", "source", "quality", "content", "training", "ray", "endpoint"}


def test_a_file_takes_its_name_and_its_state_from_its_stem(tmp_path: Path, home: Path) -> None:
    profile = load_profile(write(tmp_path))
    assert profile.name == "shop"
    assert profile.start() == date(2026, 1, 1)
    assert profile.lake_root == str(home / "shop")
    assert load_profile(profile.origin) == profile


@pytest.mark.parametrize("name", ["Shop_2", "MovieLens-1M", "2026"])
def test_a_profile_is_named_as_people_write_it(tmp_path: Path, home: Path, name: str) -> None:
    Path(write(tmp_path)).rename(path := tmp_path / f"{name}.yaml")
    assert load_profile(str(path)).lake_root == str(home / name)


@pytest.mark.parametrize(
    ("lake", "expected"),
    [
        ({}, ""),
        ({"root": "/lake"}, ""),
        ({"root": "s3://bucket/lake"}, "home/shop"),
        ({"root": "s3://bucket/lake", "artifacts": "/mounted"}, "/mounted"),
    ],
)
def test_what_is_no_table_goes_to_a_folder(lake: dict[str, str], expected: str, tmp_path: Path, home: Path) -> None:
    profile = load_profile(write(tmp_path, lake=lake))
    assert profile.artifacts_root == expected.replace("home", str(home))
    assert storage_of(profile).open().artifacts == profile.artifacts_root


def test_auto_means_fourteen_days_before_the_first_use_and_stays(tmp_path: Path, home: Path) -> None:
    profile = load_profile(write(tmp_path, first_day="auto"))
    before = datetime.now(UTC).date()
    first = profile.start()
    assert first in {before - timedelta(14), datetime.now(UTC).date() - timedelta(14)}
    (home / "shop" / "first_day").write_text("2020-02-03")
    assert profile.start() == date(2020, 2, 3)


def test_a_damaged_memory_of_the_first_day_is_told(tmp_path: Path, home: Path) -> None:
    profile = load_profile(write(tmp_path, first_day="auto"))
    profile.start()
    (home / "shop" / "first_day").write_text("")
    with pytest.raises(ProfileError, match="first_day holds no date: delete it"):
        profile.start()


def test_variables_are_filled_in_at_any_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_BUCKET", "s3://shop")
    profile = load_profile(
        write(tmp_path, lake={"root": "${SHOP_BUCKET}/lake", "storage_options": {"a": "$SHOP_BUCKET"}})
    )
    assert profile.lake_root == "s3://shop/lake"
    assert profile.lake.storage_options == {"a": "s3://shop"}


def test_an_unset_variable_is_named_with_its_key() -> None:
    with pytest.raises(ProfileError, match=r"movielens-1m\.yaml: source\.path is .* \$GENREC_ML1M is not set"):
        load_profile("movielens-1m")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"ray": {"cpus": 4}}, r"ray\.cpus"),
        ({"ray": {"num_cpus": 0}}, r"ray\.num_cpus"),
        ({"ray": {"mode": "attach"}}, "ray.address"),
        ({"first_day": "yesterday"}, "first_day"),
        ({"last_day": "2025-12-31"}, "last_day"),
        ({"id_type": "uuid"}, "id_type"),
        ({"name": "My Shop!"}, "name: .*'My Shop!' is no name of a profile.*write `name: my-shop`"),
        ({"source": {"kind": "files", "events": {"pth": "e.csv"}}}, r"source\.events\.path: .*; source\.events\.pth: "),
        (
            {"source": {"kind": "files", "events": {"path": "e", "columns": {"user_id": 5}}}},
            r"source\.events\.columns\.user_id:",
        ),
        (
            {"quality": {"columns": {"tab": {"known": "later"}}}},
            r"quality\.columns\.tab\.known:.*; quality\.columns\.tab\.type: Field",
        ),
        ({"training": {**TRAINING, "epochz": 3}}, r"training\.epochz"),
        ({"training": {}}, r"training\.positive_actions"),
        ({"evaluation": {"ks": [10, 5]}}, r"evaluation\.ks"),
        ({"endpoint": {"port": 0}}, r"endpoint\.port"),
        ({"origin": "here"}, "origin"),
        ({"evaluation": {"headline": "time"}}, "evaluation.*headline.*primary_protocol"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(tmp_path: Path, changes: dict[str, object], named: str) -> None:
    with pytest.raises(ProfileError, match=rf"shop\.yaml.*{named}"):
        load_profile(write(tmp_path, **changes))


@pytest.mark.parametrize("text", ["", "- a", "a: [", "just words"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(text)
    with pytest.raises(ProfileError, match=r"shop\.yaml"):
        load_profile(str(path))


def test_an_unknown_name_lists_the_known_ones() -> None:
    known = "demo, demo-argus, kuairand-pure, movielens-1m"
    with pytest.raises(ProfileError, match=f"no profile dmeo: name one of {known}"):
        load_profile("dmeo")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("name: shop # für uns\n".encode("latin-1"), "is not UTF-8 from byte 14 on: save it as UTF-8"),
        ("first_day: 2026-01-01\n".encode("utf-16"), "is not UTF-8 from byte 0 on: save it as UTF-8"),
        ("first_day: 2026-01-01\n".encode("utf-16-le"), "is not YAML: "),
        (b"id_type: int64\n\nid_type: string\n", "id_type stands twice, in lines 1 and 3: leave one out"),
        (b"id_type: int64\n'id_type': string\n", "id_type stands twice, in lines 1 and 2"),
        (
            b"source: {kind: demo_world}\nray:\n  num_cpus: 2\n  num_cpus: 3\n",
            "num_cpus stands twice, in lines 3 and 4",
        ),
        (b"lake: {root: /a, root: /b}\n", "root stands twice, in lines 1 and 1"),
        (b"source:\n  files:\n    - {path: a}\n    - {path: a, path: b}\n", "path stands twice, in lines 4 and 4"),
    ],
)
def test_a_file_that_cannot_be_read_as_meant_is_named(content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_bytes(content)
    with pytest.raises(ProfileError) as error:
        load_profile(str(path))
    assert str(error.value).startswith(f"profile {path}")
    assert told in str(error.value)


def test_a_file_with_a_byte_order_mark_and_an_anchor_is_read(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    text = yaml.safe_dump({**GOOD, "training": TRAINING}) + "ui: &ports {port: 3005}\nray: {<<: {num_cpus: 3}}\n"
    path.write_text(text, encoding="utf-8-sig")
    assert (load_profile(str(path)).ui.port, load_profile(str(path)).ray.num_cpus) == (3005, 3)


def test_every_profile_of_every_home_has_data_docs_at_an_address_of_its_own_that_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, other = load_profile(write(tmp_path)), load_profile(write(tmp_path, name="other"))
    port = shop.data_docs_port
    assert 20_000 <= port < 30_000
    assert shop.data_docs_url == storage_of(shop).data_docs_url == f"http://127.0.0.1:{port}"
    assert load_profile(write(tmp_path, ui={"port": 3208})).data_docs_port == port
    assert other.data_docs_port != port
    given = load_profile(write(tmp_path, ui={"data_docs_port": 3001}))
    assert (given.data_docs_port, given.data_docs_url) == (3001, "http://127.0.0.1:3001")
    assert load_profile(write(tmp_path, ui={"data_docs_url": "https://docs"})).data_docs_url == "https://docs"
    monkeypatch.setenv("GENREC_HOME", str(tmp_path / "second home"))
    assert shop.data_docs_port != port


def test_every_class_of_settings_is_called_so() -> None:
    classes = {inner for field in Profile.model_fields.values() for inner in _with_inner(field.annotation)}
    for path in SECTIONS.values():
        module, name = path.split(":")
        classes.update(_with_inner(getattr(import_module(module), name)))
    names = {each.__name__ for each in classes if not each.__module__.startswith("models.")}
    assert names >= {"LakeSettings", "DemoWorldSettings", "DriftSettings", "AdmissionSettings", "ReleaseSettings"}
    assert [name for name in sorted(names) if not name.endswith("Settings")] == []


def _with_inner(annotation: object) -> Iterator[type[BaseModel]]:
    for model in models_of(annotation):
        yield model
        for field in model.model_fields.values():
            yield from _with_inner(field.annotation)


COLUMNS = {"stay_ms": {"known": "outcome", "type": "number"}}


def test_a_column_that_the_source_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"'tab', but the source demo_world has position, stay_ms"):
        load_profile(write(tmp_path, quality={"columns": {"tab": {"known": "request", "type": "category"}}}))
    with pytest.raises(ProfileError, match=r"quality\.columns\.stay_ms: known is request, but .* outcome"):
        load_profile(write(tmp_path, quality={"columns": {"stay_ms": {**COLUMNS["stay_ms"], "known": "request"}}}))
    files = {"kind": "files", "items": {"path": "i.csv"}, "events": {"path": "e.csv", "columns": {"stay_ms": "ms"}}}
    assert load_profile(write(tmp_path, source=files, quality={"columns": COLUMNS}))
    with pytest.raises(ProfileError, match=r"source\.events\.columns\.stay_ms is no column of the contract"):
        load_profile(write(tmp_path, source=files))


def test_columns_that_a_launch_declares_reach_the_source_and_the_sequences(tmp_path: Path, home: Path) -> None:
    source = {"kind": "demo_world", "events": 2000}
    profile = load_profile(write(tmp_path, source=source, quality={"columns": COLUMNS}))
    more = {"columns": {"position": {"known": "request", "type": "number"}}}
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        assert dg.materialize(
            [raw_events, raw_items, items, events, sequences],
            instance=instance,
            partition_key="2026-01-01",
            resources=build_resources(profile),
            run_config={"resources": {"quality": {"config": more}}},
        ).success
    found = scan_sequences(profile.lake_root).select("position", "stay_ms").explode(cs.all()).collect()
    assert found["position"].min() == 0
    assert found["position"].max() > 3  # type: ignore[operator]
    assert (found["stay_ms"] >= 500).all()
    assert not found["stay_ms"].is_null().any()
