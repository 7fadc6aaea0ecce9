"""Settings that follow the data: which may, which of them a profile leaves to the data, and what was chosen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from models.strict import Strict

AUTO = "auto"
"""What a profile writes where it means the same as leaving the key out."""

LEFT_TO_DATA = "left_to_data"


@dataclass(frozen=True)
class FromData:
    """Marks a field that is chosen from the data where a profile leaves it out or calls it `auto`.

    The field's default is what counts without a profile, in a notebook.

    Attributes:
        also: A value that says the same as `auto`.
    """

    also: object = AUTO


FROM_DATA = FromData()


class Choice(Strict):
    """What a setting came to."""

    value: bool | int | float | str
    reason: str = Field(description="Why, in one sentence.")


class FollowsData(Strict):
    """A section of a profile of which some settings may be left to the data."""

    left_to_data: tuple[str, ...] = Field(
        default=(), description="Paths within the section that are left to the data; `read_section` fills it in."
    )


class NotFromData(ValueError):
    """A key is left to the data that nothing in the data decides; the message begins with it."""


S = TypeVar("S", bound=BaseModel)
F = TypeVar("F", bound=FollowsData)


def read_section(kind: type[F], values: Mapping[str, Any]) -> F:
    """The section as a profile writes it; marked keys that it leaves out, or calls `auto`, are left to the data.

    Raises:
        NotFromData: a key is called `auto` that is not marked.
        ValidationError: a value does not fit.
    """
    if LEFT_TO_DATA in values:
        raise NotFromData(f"{LEFT_TO_DATA} is not for a profile to say: call single keys {AUTO}")
    written, called = _without_auto(values)
    settings = kind.model_validate(written)
    marks = marked(settings)
    left = {path for path, mark in marks.items() if _written(written, path) in (None, mark.also)}
    for path in called:
        if path not in left:
            raise NotFromData(f"{path} cannot be {AUTO}: write a value; of the data follow {', '.join(marks)}")
    return settings.model_copy(update={LEFT_TO_DATA: tuple(sorted(left))})


def marked(settings: BaseModel) -> dict[str, FromData]:
    """The paths within `settings` of all fields that may follow the data."""
    found: dict[str, FromData] = {}
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if mark := mark_of(field.metadata):
            found[name] = mark
        elif isinstance(value, BaseModel):
            found |= {f"{name}.{path}": mark for path, mark in marked(value).items()}
    return found


def mark_of(metadata: Iterable[object]) -> FromData | None:
    """The mark among what a field is annotated with."""
    return next((entry for entry in metadata if isinstance(entry, FromData)), None)


def part_of(settings: FollowsData, kind: type[F]) -> F:
    """Of a section the fields of `kind`, which it extends, and which of these are left to the data."""
    left = tuple(path for path in settings.left_to_data if path.split(".")[0] in kind.model_fields)
    return kind.model_validate({name: getattr(settings, name) for name in kind.model_fields} | {LEFT_TO_DATA: left})


def value_at(settings: BaseModel, path: str) -> Any:
    """The value at a path such as `optimisation.loss.negatives`."""
    value: Any = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value


def with_values_at(settings: S, values: Mapping[str, Any]) -> S:
    """`settings` with other values at some paths, checked anew."""
    told = {name: getattr(settings, name) for name in type(settings).model_fields}
    within: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        name, _, rest = path.partition(".")
        if rest:
            within.setdefault(name, {})[rest] = value
        else:
            told[name] = value
    return type(settings).model_validate(
        told | {name: with_values_at(told[name], some) for name, some in within.items()}
    )


class Choosing(Generic[F]):
    """Settings while those left to the data are chosen, one after the other: later rules read what earlier ones say.

    Attributes:
        settings: As the profile has them.
        chosen: Path to choice, of those that were left to the data.
    """

    def __init__(self, settings: F) -> None:
        self.settings, self._marked = settings, marked(settings)
        self.chosen: dict[str, Choice] = {}

    def __call__(self, path: str, value: Any, reason: str) -> Any:
        """What counts at `path`: what was written by hand, or else `value`; also where there is no such setting."""
        if path not in self._marked:
            return value
        if path not in self.settings.left_to_data:
            return value_at(self.settings, path)
        self.chosen[path] = Choice(value=value, reason=reason)
        return value


def chosen_in(settings: F, chosen: Mapping[str, Choice]) -> F:
    """`settings` with what was chosen; which of them had been left to the data stays on record."""
    return with_values_at(settings, {path: choice.value for path, choice in chosen.items()})


def _without_auto(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values without those called `auto`, and the paths of these."""
    written: dict[str, Any] = {}
    called: list[str] = []
    for name, value in values.items():
        if value == AUTO:
            called.append(name)
        elif isinstance(value, Mapping):
            written[name], below = _without_auto(value)
            called += [f"{name}.{path}" for path in below]
        else:
            written[name] = value
    return written, called


def _written(values: Mapping[str, Any], path: str) -> Any:
    """What is written at `path`, None where nothing is."""
    value: Any = values
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
