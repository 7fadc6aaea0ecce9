"""When the value of a column is known: with the request, or only after the action.

A model that reads a column which is known after the action may do so at the next interaction at the earliest (Netflix
spec section 7; the rule of ARGUS spec section 2).
"""

from collections.abc import Mapping
from typing import Literal

from models.columns import ACTION, ACTIONS, COUNT, REQUEST_ID, SURFACE, SURFACES, VALUE, VALUES

Known = Literal["request", "outcome"]

GAP = "gap"
DURATION = "duration"

CONTRACT: Mapping[str, Known] = {
    SURFACE: "request",
    SURFACES: "request",
    REQUEST_ID: "request",
    GAP: "request",
    ACTION: "outcome",
    ACTIONS: "outcome",
    VALUE: "outcome",
    VALUES: "outcome",
    DURATION: "outcome",
    COUNT: "outcome",
}
"""When each feature of the data contract, or one derived from it, is known. Ids and times are no features."""


def declared(extra: Mapping[str, Known]) -> Mapping[str, Known]:
    """The contract's features and those of a profile.

    Raises:
        ValueError: a column of the contract is declared to be known at another time.
    """
    wrong = [name for name in extra if CONTRACT.get(name, extra[name]) != extra[name]]
    if wrong:
        raise ValueError(
            f"column {wrong[0]!r} is declared as {extra[wrong[0]]}, but is part of the contract as "
            f"{CONTRACT[wrong[0]]}: give your own column another name"
        )
    return {**CONTRACT, **extra}
