"""No module is there for tests alone: imports lead to each from where the platform is entered."""

import ast
import re
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from serving.settings import IMPORT_PATH

ROOT = Path(__file__).parents[2]
FLOORS = ("benchmarks", "orchestration", "assets", "serving", "storage", "models")
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for floor in FLOORS
    for path in (ROOT / floor).rglob("*.py")
}
DEFINITIONS = "orchestration.definitions"
NOTEBOOK = "models.frames"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMMAND = PROJECT["scripts"]["genrec"].split(":")[0]
BENCH = PROJECT["entry-points"]["genrec.commands"]["bench"].split(":")[0]


def test_every_module_is_reached_from_the_command_the_definitions_the_endpoint_or_the_notebook() -> None:
    product = {name for name in MODULES if not name.startswith("benchmarks")}
    # The command finds that of the benchmarks by its entry point, and so holds nothing of theirs.
    reached = _reached([COMMAND, DEFINITIONS, IMPORT_PATH.split(":")[0], NOTEBOOK])
    assert sorted(product - reached) == []


def test_every_module_of_the_benchmarks_is_reached_from_their_command() -> None:
    assert sorted({name for name in MODULES if name.startswith("benchmarks")} - _reached([BENCH])) == []


def test_a_mention_in_prose_leads_nowhere_and_a_name_in_code_does() -> None:
    prose = ast.parse('"""As `serving.app` does, and models.frames."""\nx = 1\n"""storage.lake too."""')
    assert set(_named(prose)) == set()
    code = ast.parse(
        "def f(kind):\n    from storage.lake import Lake\n    import_module(f'models.attention.{kind}')\n"
        "    run('-m', 'orchestration.webserver')\n    return 'serving.app:build'"
    )
    found = set(_named(code))
    assert {"storage.lake", "models.attention.cpu", "orchestration.webserver", "serving.app"} <= found


def _reached(entrances: list[str]) -> set[str]:
    reached: set[str] = set()
    ahead = list(entrances)
    while ahead:
        name = ahead.pop()
        if name in MODULES and name not in reached:
            reached.add(name)
            ahead += [name.rpartition(".")[0], *_named(ast.parse(MODULES[name].read_text()))]
    return reached


def _named(tree: ast.Module) -> Iterator[str]:
    """The modules that code imports anywhere, or names in a string: as an entry point, a module to run, a file."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str(module)):
                yield from (module, *(f"{module}.{alias.name}" for alias in node.names))
            case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]) if start.endswith("."):
                yield from (name for name in MODULES if name.startswith(start))
            case ast.Constant(value=str(text)) if id(node) not in prose:
                yield from chain(re.findall(r"[a-z_][a-z_0-9]*(?:\.[a-z_0-9]+)+", text), _beside(text))


def _beside(text: str) -> Iterator[str]:
    """The modules whose file has that name."""
    return (name for name, path in MODULES.items() if path.name == text)
