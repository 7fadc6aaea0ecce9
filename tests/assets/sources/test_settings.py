import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from assets.sources.demo_world.source import DemoWorld
from assets.sources.files import Files
from assets.sources.movielens import MovieLens
from assets.sources.settings import open_source, source_settings
from assets.sources.source import SourceError
from assets.sources.yambda import Yambda

DOCS = Path(__file__).parents[3] / "docs"
FILES = {"kind": "files", "events": {"path": "e.csv"}, "items": {"path": "i.csv"}}


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"kind": "demo_world"}, DemoWorld),
        ({"kind": "movielens", "path": "x"}, MovieLens),
        ({"kind": "amazon_reviews", "release": "2018", "reviews": "r.json.gz", "metadata": "m.json.gz"}, Files),
        ({"kind": "yambda", "path": "x"}, Yambda),
        ({"kind": "kuairand", "path": "x"}, Files),
        ({"kind": "open_bandit", "path": "x"}, Files),
        (FILES, Files),
    ],
)
def test_kind_chooses_the_adapter(tmp_path: Path, settings: dict[str, Any], kind: type) -> None:
    assert isinstance(open_source(settings, str(tmp_path), date(2026, 1, 1)), kind)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "source: .*kind"),
        ({"kind": "kafka"}, "source: .*'kafka'.*'demo_world'"),
        ({"kind": "demo_world", "event": 5}, r"source\.event: Extra inputs"),
        ({"kind": "demo_world", "events": "many"}, r"source\.events: .*integer"),
        ({"kind": "movielens"}, r"source\.path: Field required"),
        ({"kind": "amazon_reviews", "release": "2020"}, r"source\.release: .*'2014', '2018' or '2023'"),
        (
            FILES | {"events": {"path": "e", "columns": {"user": "u"}}},
            r"source\.events\.columns\.user is no column of the contract",
        ),
        (FILES | {"events": {"path": "e", "encoding": "utf-99"}}, r"there is no encoding 'utf-99'"),
    ],
)
def test_wrong_settings_are_named_in_one_line(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        open_source(settings, str(tmp_path), date(2026, 1, 1))
    assert "\n" not in str(caught.value)


def test_the_sources_that_the_documentation_shows_are_valid() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (DOCS / "datasets.md").read_text(), re.DOTALL)
    shown = [yaml.safe_load(block)["source"] for block in blocks]
    kinds = [source_settings(source).kind for source in shown]
    assert kinds == ["movielens", "amazon_reviews", "yambda", "kuairand", "open_bandit"]
