"""What the documentation shows is what happens."""

import doctest
import re
import subprocess
import sys
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path

import models

PAGE = Path(models.__file__).parents[1] / "docs" / "notebook.md"


def test_the_ten_lines_of_the_package() -> None:
    example = doctest.DocTestParser().get_doctest(models.__doc__ or "", {}, "models", None, None)
    assert len(example.examples) <= 10
    assert doctest.DocTestRunner().run(example) == (0, len(example.examples))


def test_the_page(tmp_path: Path) -> None:
    """Its blocks are one session; what a block prints stands below it."""
    session: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", PAGE.read_text(), re.DOTALL)
    assert len(blocks) > 5
    with chdir(tmp_path):
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
