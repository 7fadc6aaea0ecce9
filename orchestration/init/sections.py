"""`source` of a proposed profile: what was found of the files, as the keys that say so."""

from collections.abc import Collection, Iterable
from typing import Any

import polars as pl

from assets.sources.files_settings import EventFilesSettings, ItemFilesSettings, TableFilesSettings
from assets.sources.guess.catalogue import Catalogue
from assets.sources.guess.look import Look
from assets.sources.guess.roles import Roles

MOST_PLACES = 2_000
"""With longer histories a step of an ordinal log is an hour, not a day."""


def one_action(roles: Roles) -> str:
    """What the only action of a log is called."""
    if roles.actions:
        return roles.actions[0]
    return "rating" if roles.value and roles.value.lower() in ("rating", "overall", "stars", "score") else "interaction"


def events_section(log: Look, roles: Roles) -> dict[str, Any]:
    """`source.events` of the profile, without its comments."""
    columns = {"user_id": roles.user, "item_id": roles.item}
    section: dict[str, Any] = {"path": str(log.path.absolute()), **log.form}
    if roles.times:
        columns |= {"timestamp": roles.time} if roles.time else {}
        section |= {"timestamp_columns": list(roles.time_parts)} if roles.time_parts else {}
        section |= {roles.times.key: roles.times.value} if roles.times.value else {}
    else:
        section["ordinal"] = True
        columns |= {"timestamp": roles.place} if roles.place else {}
        section |= {"step": "PT1H"} if _longest(log, roles) > MOST_PLACES else {}
    section |= {"decimal": ","} if roles.decimal == "," else {}
    columns |= {"action": roles.action} if roles.action else {}
    columns |= {"value": roles.value} if roles.value else {}
    own = _own(roles.left_out, columns, EventFilesSettings)
    constants = ({} if roles.action else {"action": one_action(roles)}) | dict.fromkeys(own, "")
    return section | {"columns": columns} | ({"constants": constants} if constants else {})


def items_section(listing: Look, catalogue: Catalogue) -> dict[str, Any]:
    """`source.items` of the profile, without its comments."""
    separator = {"category_delimiter": catalogue.separator} if catalogue.separator not in (None, "|") else {}
    more = {name: list(some) for name, some in (("tags", catalogue.tags), ("numbers", catalogue.numbers)) if some}
    own = _own(catalogue.left_out, catalogue.columns, ItemFilesSettings)
    times, constants = catalogue.times, dict.fromkeys(own, "")
    return {
        "path": str(listing.path.absolute()),
        **listing.form,
        **({times.key: times.value} if times and times.value else {}),
        **({"decimal": ","} if catalogue.decimal == "," else {}),
        "columns": catalogue.columns,
        **({"constants": constants} if constants else {}),
        **separator,
        **more,
    }


def _own(left_out: Iterable[str], columns: Collection[str], files: type[TableFilesSettings]) -> list[str]:
    """Those that would be read for their names, if no constant stood in place of them."""
    return [name for name in left_out if name in files.contract and name not in columns]


def _longest(log: Look, roles: Roles) -> int:
    """The last place of all users, as far as the first rows tell."""
    if roles.place is None:
        return int(log.texts.group_by(roles.user).len().select(pl.col("len").max()).item() or 0)
    places = pl.col(roles.place).str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)
    return int(log.texts.select(places.max()).item() or 0)
