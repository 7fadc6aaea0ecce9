"""What the page of the asset `release` shows, whoever decided."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.metadata import markdown_table, plain_name
from storage.releases import Releases

RECENT_DECISIONS = 10


def release_metadata(
    releases: Releases, version: str, reason: str, numbers: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """Metadata of a materialization.

    Args:
        releases: The log, with the decision in it.
        version: The version that was decided on.
        reason: One sentence.
        numbers: The numbers behind it.
    """
    champion = releases.champion()
    recent = releases.log().reverse().head(RECENT_DECISIONS)
    return {
        "version": version,
        "promoted": champion == version,
        "reason": reason,
        "champion": champion or "none",
        "decisions": dg.MetadataValue.md(
            markdown_table(recent.select("at", "action", "version", "previous", "reason"))
        ),
        **{plain_name(name): value for name, value in (numbers or {}).items()},
    }
