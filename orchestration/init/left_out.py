"""Columns that are read because they have a name of the contract, and whose values would put their rows aside."""

from collections.abc import Collection

from assets.data_report.put_aside import PutAside
from assets.data_report.seen import such_as
from assets.validation.quarantine import Reason

MOST_WRONG = 0.01
"""Share of rows that such a column may put aside before it is left out."""


def unfit(aside: PutAside, rows: int, names: Collection[str]) -> dict[str, str]:
    """Those of the columns `names`, which are read for their names alone, that are not of their type; and why.

    Args:
        aside: What was put aside of `rows` rows.
    """
    wrong = aside.at_fault(Reason.WRONG_TYPE)
    return {
        name: f"values{such_as(aside.values(name, Reason.WRONG_TYPE, name))} are none of its type"
        for name in names
        if wrong.get(name, 0) > MOST_WRONG * rows
    }
