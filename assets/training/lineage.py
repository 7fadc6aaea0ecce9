"""Which version was trained on from which, down to the one from scratch."""

from collections.abc import Sequence

import polars as pl

from assets.metadata import markdown_table
from assets.training.start import ancestors_of
from assets.versions import artifacts_of
from models.manifest import Manifest, read_manifest
from models.markdown import escaped
from storage.lake import Lake

ARROW, SCRATCH = " ← ", "scratch"


def chain(versions: Sequence[str]) -> str:
    """`version ← parent ← … ← scratch`."""
    return ARROW.join([*versions, SCRATCH])


def lineage_table(lake: Lake, manifest: Manifest) -> str:
    """The chain of a version of the lake's own family in a line, and what is known of each, as Markdown."""
    versions = [manifest.version, *manifest.ancestors]
    rows = [_row(lake, version) for version in versions]
    return f"{escaped(chain(versions))}\n\n{markdown_table(pl.DataFrame(rows))}"


def _row(lake: Lake, version: str) -> dict[str, str]:
    folder = artifacts_of(lake) / version
    try:
        known, parent = read_manifest(folder), ancestors_of(folder)[1:]
    except (OSError, ValueError):
        return {"version": version, "trained until": "deleted or damaged", "started from": ""}
    until = f"{known.cutoff:%Y-%m-%d %H:%M}"
    return {"version": version, "trained until": until, "started from": parent[0] if parent else SCRATCH}
