"""A folder belongs to one profile, until its file is gone."""

from pathlib import Path

import pytest

from storage.owner import OWNER, OwnedByAnother, claim


@pytest.fixture
def lake(tmp_path: Path) -> str:
    (tmp_path / "lake").mkdir()
    return str(tmp_path / "lake")


def profile(folder: Path, name: str = "shop") -> str:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text("source: {}")
    return str(path)


def test_the_owner_comes_back_by_any_path_to_its_file(lake: str, tmp_path: Path) -> None:
    origin = profile(tmp_path / "a")
    claim(lake, "shop", origin)
    claim(lake, "shop", origin)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    claim(lake, "shop", str(tmp_path / "link" / "shop.yaml"))


@pytest.mark.parametrize("name", ["shop", "other"])
def test_another_profile_is_refused_while_the_owner_is_there(name: str, lake: str, tmp_path: Path) -> None:
    claim(lake, "shop", profile(tmp_path / "a"))
    before = Path(lake, OWNER).read_bytes()
    with pytest.raises(OwnedByAnother, match=rf"belongs to the profile shop \({tmp_path}/a/shop.yaml\).*lake.root"):
        claim(lake, name, profile(tmp_path / "b", name))
    assert Path(lake, OWNER).read_bytes() == before


def test_one_that_comes_with_the_platform_is_there_for_good(lake: str, tmp_path: Path) -> None:
    claim(lake, "demo", "demo")
    claim(lake, "demo", "demo")
    with pytest.raises(OwnedByAnother):
        claim(lake, "demo", profile(tmp_path / "a", "demo"))


def test_a_profile_that_was_moved_or_renamed_keeps_its_folder(lake: str, tmp_path: Path) -> None:
    origin = Path(profile(tmp_path / "a"))
    claim(lake, "shop", str(origin))
    renamed = origin.rename(tmp_path / "store.yaml")
    claim(lake, "store", str(renamed))
    with pytest.raises(OwnedByAnother):
        claim(lake, "shop", profile(tmp_path / "a"))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"profile": "x"}'])
def test_an_unreadable_record_is_none(content: str, lake: str, tmp_path: Path) -> None:
    Path(lake, OWNER).write_text(content)
    claim(lake, "shop", profile(tmp_path / "a"))
