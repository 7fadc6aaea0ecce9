"""Settings that follow the data: what is left out is told apart from what is written, at any depth."""

from typing import Annotated, Any

import pytest
from pydantic import Field

from models.auto import (
    AUTO,
    FROM_DATA,
    Choosing,
    FollowsData,
    FromData,
    NotFromData,
    chosen_in,
    read_section,
    with_values_at,
)
from models.strict import Strict


class Inner(Strict):
    """A part."""

    rate: Annotated[float, FROM_DATA] = Field(default=1.0, gt=0)
    divisor: Annotated[int, FromData(also=0)] = 7
    seed: int = 0


class Outer(FollowsData):
    """A section."""

    inner: Inner = Inner()
    many: Annotated[int, FROM_DATA] = 3
    name: str = ""


def test_left_out_and_auto_are_the_same_and_written_is_another_even_at_the_default() -> None:
    every = ("inner.divisor", "inner.rate", "many")
    assert read_section(Outer, {}).left_to_data == every
    assert read_section(Outer, {"many": AUTO, "inner": {"rate": AUTO}}) == read_section(Outer, {})
    assert read_section(Outer, {"inner": {"divisor": 0}}).left_to_data == every
    written = read_section(Outer, {"many": 3, "inner": {"seed": 5}})
    assert (written.left_to_data, written.many, written.inner.seed) == (("inner.divisor", "inner.rate"), 3, 5)
    assert written.model_dump() != read_section(Outer, {"inner": {"seed": 5}}).model_dump()


@pytest.mark.parametrize("values", [{"name": AUTO}, {"inner": {"seed": AUTO}}, {"left_to_data": ["many"]}])
def test_what_does_not_follow_the_data_is_refused_by_its_path(values: dict[str, Any]) -> None:
    with pytest.raises(NotFromData, match=r"^(name|inner.seed|left_to_data) "):
        read_section(Outer, values)


def test_what_was_written_stays_and_what_was_chosen_is_checked_and_on_record() -> None:
    settings = read_section(Outer, {"many": 9})
    choose = Choosing(settings)
    assert (choose("many", 4, "four."), choose("inner.rate", 0.5, "half."), choose("nowhere", 1, "")) == (9, 0.5, 1)
    assert {path: choice.value for path, choice in choose.chosen.items()} == {"inner.rate": 0.5}
    made = chosen_in(settings, choose.chosen)
    assert (made.many, made.inner.rate, made.left_to_data) == (9, 0.5, settings.left_to_data)
    with pytest.raises(ValueError, match="greater than 0"):
        with_values_at(settings, {"inner.rate": -1.0})
