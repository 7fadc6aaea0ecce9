"""What the documentation shows is what happens."""

import doctest
import re
import subprocess
import sys
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import pytest

import models
from models.evaluation.metrics import AT_K
from models.families.registry import FAMILIES
from models.samplers.sampler import SAMPLERS

DOCS = Path(models.__file__).parents[1] / "docs"


def test_the_ten_lines_of_the_package() -> None:
    example = doctest.DocTestParser().get_doctest(models.__doc__ or "", {}, "models", None, None)
    assert len(example.examples) <= 10
    assert doctest.DocTestRunner().run(example) == (0, len(example.examples))


@pytest.mark.parametrize("page", ["notebook.md", "extending.md"])
def test_a_page_shows_what_happens(page: str, tmp_path: Path) -> None:
    """Its blocks are one session; what a block prints stands below it."""
    session: dict[str, object] = {"__name__": "session"}
    blocks = re.findall(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", (DOCS / page).read_text(), re.DOTALL)
    assert len(blocks) >= 3
    # What a page registers is gone when it ends.
    with chdir(tmp_path), patch.dict(FAMILIES), patch.dict(SAMPLERS), patch.dict(AT_K):
        for code, expected in blocks:
            printed = StringIO()
            with redirect_stdout(printed):
                exec(code, session)
            assert printed.getvalue() == expected, code


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import models, models.columns, sys; print({'torch', 'polars', 'ray', 'dagster'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"


def test_the_notebook_needs_neither_dagster_nor_ray() -> None:
    code = "import models.frames, sys; print({'ray', 'dagster'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
