"""The base of every settings, report and message class."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError


class Strict(BaseModel):
    """A value: unknown keys are errors, and nothing changes after construction."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def sentence(error: ValidationError, *within: str, given: Any = None) -> str:
    """What does not fit, key by key, as one line.

    Args:
        within: The keys under which what was checked stands.
        given: What was checked, so that keys are named as they stand there.
    """
    told = []
    for item in error.errors():
        path = item["loc"] if given is None else _path(item["loc"], item["type"] == "missing", given)
        told.append(f"{'.'.join(map(str, (*within, *path)))}: {item['msg']}")
    return "; ".join(told)


def _path(loc: Sequence[int | str], missing: bool, given: Any) -> Sequence[int | str]:
    """`loc` without what pydantic adds to it, such as the kind of model that was chosen; a missing key is the last."""
    path: list[int | str] = []
    for place, step in enumerate(loc, start=1):
        keys = (
            given.keys() if isinstance(given, Mapping) else range(len(given) if isinstance(given, list | tuple) else 0)
        )
        if step in keys:
            given = given[step]
        elif not (missing and place == len(loc)):
            continue
        path.append(step)
    return path
