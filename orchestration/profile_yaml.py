"""The YAML of a profile: read strictly, with the environment's variables in place."""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml

VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+)|\$)")


class ProfileError(ValueError):
    """A profile that cannot be used; the message names the file, the key and what to do."""


def read_yaml(path: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """The mapping in a file, `$NAME`, `${NAME}` and `$$`, a dollar sign, replaced in every string.

    Dates become ISO strings, which Dagster's config can carry.

    Raises:
        ProfileError: no YAML in UTF-8, a key that stands twice, no mapping, or a variable that is not set.
    """
    content: dict[str, Any] = _expand(_read(path), path, "", variables)
    return content


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _EachKeyOnce)
    except UnicodeDecodeError as error:
        raise ProfileError(f"profile {path} is not UTF-8 from byte {error.start} on: save it as UTF-8") from error
    except _KeyTwice as error:
        raise ProfileError(f"profile {path}: {error}") from error
    except yaml.YAMLError as error:
        raise ProfileError(f"profile {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ProfileError(f"profile {path} must be a mapping of the keys that docs/profiles.md lists")
    return content


class _KeyTwice(ValueError):
    pass


class _EachKeyOnce(yaml.SafeLoader):
    """YAML's plain values; a key that stands twice in a mapping, which PyYAML overlooks, is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                name, line = (key.tag, key.value), key.start_mark.line + 1
                if name in lines:
                    raise _KeyTwice(f"{key.value} stands twice, in lines {lines[name]} and {line}: leave one out")
                lines[name] = line
        return super().construct_mapping(node, deep)


def _expand(value: Any, path: Path, key: str, variables: Mapping[str, str]) -> Any:
    match value:
        case dict():
            return {k: _expand(v, path, f"{key}.{k}".lstrip("."), variables) for k, v in value.items()}
        case list():
            return [_expand(v, path, f"{key}[{i}]", variables) for i, v in enumerate(value)]
        case date():
            return value.isoformat()
        case str():
            return VARIABLE.sub(lambda found: _variable(found, path, key, variables), value)
    return value


def _variable(found: re.Match[str], path: Path, key: str, variables: Mapping[str, str]) -> str:
    name = found[1] or found[2]
    if name is None:
        return "$"
    if not variables.get(name):
        raise ProfileError(f"profile {path}: {key} is {found.string}, but ${name} is not set: export {name}=... first")
    return variables[name]
