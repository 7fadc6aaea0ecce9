"""Columns of the files whose values would put their rows aside, although no row needs them."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from assets.data_report.evidence import Evidence
from assets.data_report.put_aside import PutAside
from assets.data_report.seen import such_as
from assets.data_report.survey import Survey
from assets.sources.files_settings import EventFilesSettings, ItemFilesSettings, TableFilesSettings
from assets.validation.quarantine import Reason
from assets.validation.settings import QualitySettings
from models.columns import ITEM_ID, VALUE

MOST_OF_NAMED = 0.01
"""Share of rows that a column may put aside which is read for its name alone, before it is left out."""

MOST_OF_MAPPED = QualitySettings().max_rejected_share
"""The same of one that seemed to be what the profile says."""


def unfit_of_events(found: Survey, section: Mapping[str, Any]) -> dict[str, str]:
    """Columns of the log that are to be left out, and why.

    Args:
        section: `source.events` of the profile.
    """
    mapped = {column: name for name, column in section["columns"].items() if name == VALUE}
    named = _unfit(found.put_aside, found.rows, _named(section, EventFilesSettings), MOST_OF_NAMED)
    return named | _unfit(found.put_aside, found.rows, mapped, MOST_OF_MAPPED)


def unfit_of_items(evidence: Evidence, section: Mapping[str, Any]) -> dict[str, str]:
    """Columns of the catalogue that are to be left out, and why.

    Args:
        section: `source.items` of the profile.
    """
    aside = evidence.items_put_aside
    rows = evidence.items.select(pl.len()).collect().item() + aside.rows
    mapped = {column: name for name, column in section["columns"].items() if name != ITEM_ID}
    mapped |= {column: column for column in section.get("tags", ())}
    named = _unfit(aside, rows, _named(section, ItemFilesSettings), MOST_OF_NAMED)
    return named | _unfit(aside, rows, mapped, MOST_OF_MAPPED)


def _named(section: Mapping[str, Any], files: type[TableFilesSettings]) -> dict[str, str]:
    """Columns of the contract that are read wherever the file has them, as nothing else is mapped to them."""
    there: Sequence[str] = (*section["columns"], *section.get("constants", ()), *files.required)
    return {name: name for name in files.contract if name not in there}


def _unfit(aside: PutAside, rows: int, columns: Mapping[str, str], most: float) -> dict[str, str]:
    """Those of the file's `columns`, with the names that the contract has for them, that put aside more than `most`."""
    wrong = aside.at_fault(Reason.WRONG_TYPE)
    found = {column: name for column, name in columns.items() if wrong.get(column, 0) > most * rows}
    examples = {column: such_as(aside.values(name, Reason.WRONG_TYPE, column)) for column, name in found.items()}
    return {
        column: f"{f'values{some}' if some else 'its values'} are none of its type" for column, some in examples.items()
    }
