"""Vectors of items that came after versions were trained, so that these can be served without training again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from assets.batches import batches
from assets.training.training_set import modalities_of
from assets.versions import VersionMissing, artifact_of, releases_of
from models.columns import CONTENT_HASH, ITEM_ID, VECTOR, VERSION
from models.families.family import NoNewItems
from models.modalities import Modalities
from storage.commit import StagedFile
from storage.lake import Lake
from storage.schema import CONTENT_TABLE, NEW_ITEM_VECTORS_TABLE, IdType, new_item_vectors_schema
from storage.staged_files import Staging
from storage.vectors import to_matrix, to_series

if TYPE_CHECKING:
    from models.artifact import Artifact
    from models.new_items import NewItems

AT_ONCE = 16_384
"""Items whose content is in memory at once."""


class OtherContent(ValueError):
    """The content of now is not such as a version was trained on; the message says how they differ."""


@dataclass(frozen=True)
class NewToVersion:
    """What a version makes of items that came after it.

    Attributes:
        items: How many have vectors.
        without_content: How many have none, as nothing is known of them.
        left_out: How many have none, though they have content.
        why: Why that is so.
        refused: Whether that is for the content, which may have been meant to be such as the version reads.
    """

    version: str
    family: str
    items: int
    without_content: int
    left_out: int = 0
    why: str = ""
    refused: bool = False


def versions_that_serve(lake: Lake) -> Sequence[Path]:
    """The champion, and the one that a rollback would put in its place."""
    standing = releases_of(lake).standing()
    found = []
    for version in (standing.champion, standing.previous):
        try:
            found += [artifact_of(lake, version)] if version else []
        except VersionMissing:
            continue
    return found


def make_new_items(lake: Lake, folders: Sequence[Path], id_type: IdType) -> tuple[list[NewToVersion], int]:
    """Writes, in one commit, what the versions in `folders` make of the items of the catalogue that they do not know.

    Of other versions nothing stays. Where a version cannot read the content of now, what it made of earlier content
    stays: that is still right. So it does where one but the first, which serves, cannot be read itself.

    Returns:
        What became of each version, and the table's new version.

    Raises:
        NewItemsError: the content names an item twice, or one without an id.
    """
    from models.artifact import ArtifactError, load_artifact
    from models.new_items import require_own_ids

    versions = {CONTENT_TABLE: lake.version(CONTENT_TABLE)}
    content, now = lake.scan(CONTENT_TABLE, versions[CONTENT_TABLE]), modalities_of(lake, versions)
    told, files = [], list[StagedFile]()
    with Staging(lake) as staging:
        for folder in folders:
            try:
                artifact = load_artifact(folder)
            except ArtifactError as error:
                if folder == folders[0]:
                    raise
                # The champion serves, whatever has become of the version before it.
                told.append(NewToVersion(folder.name, "unknown", 0, 0, why=str(error), refused=True))
                continue
            unknown = _unknown(content, artifact)
            bare = unknown.filter(pl.col(CONTENT_HASH).is_null()).height
            require_own_ids(unknown[ITEM_ID])
            ids = unknown.drop_nulls(CONTENT_HASH)[ITEM_ID]
            made = NewToVersion(artifact.version, artifact.family.name, len(ids), bare)
            try:
                if len(ids):
                    _require_same_content(artifact, content, now)
                files += _written(staging, artifact, content, ids)
            except (NoNewItems, OtherContent) as error:
                made = replace(
                    made, items=0, left_out=len(ids), why=str(error), refused=isinstance(error, OtherContent)
                )
            told.append(made)
        kept = {made.version for made in told if made.refused}
        gone = {made.version for made in told} | _versions_in(lake)
        like = pl.DataFrame(schema=new_item_vectors_schema(id_type))
        replaced = {VERSION: sorted(gone - kept)}
        return told, lake.commit(NEW_ITEM_VECTORS_TABLE, files, like, (VERSION,), replaced)


def as_served(lake: Lake, artifact: Artifact) -> Artifact:
    """The version with the items that came after it, as the endpoint has it.

    Raises:
        NewItemsError: their vectors are not of the version, or damaged.
    """
    from models.new_items import with_new_items
    from serving.new_items import read_new_items

    if not lake.exists(NEW_ITEM_VECTORS_TABLE):
        return artifact
    return with_new_items(artifact, read_new_items(lake.scan(NEW_ITEM_VECTORS_TABLE), artifact))


def _unknown(content: pl.LazyFrame, artifact: Artifact) -> pl.DataFrame:
    """`item_id`, `content_hash` of the items of which the version knows nothing, ordered by id."""
    rows = content.select(ITEM_ID, CONTENT_HASH).collect()
    return rows.filter(pl.Series(artifact.vocabulary.indices(rows[ITEM_ID]) == 0)).sort(ITEM_ID)


def _require_same_content(artifact: Artifact, content: pl.LazyFrame, now: Modalities) -> None:
    """Raises:
    NoNewItems: the version reads no content.
    OtherContent: that of the table `content`, which is made of `now`, is not such as the version was trained on.
    """
    then = artifact.family.content_tower(artifact.model.config).modalities
    ids, own = content.collect_schema()[ITEM_ID], artifact.vocabulary.item_ids.dtype
    if ids != own:
        raise OtherContent(f"version {artifact.version} names items by {own}, the catalogue by {ids}: train it again")
    if not then:
        raise OtherContent(
            f"version {artifact.version} does not say what the content was made of that it was trained on, as none "
            "did before 28 November 2026: train it again"
        )
    if list(then.items()) != list(now.items()):
        raise OtherContent(
            f"the content of now is made of {_in_words(now)}, but version {artifact.version} was trained on "
            f"{_in_words(then)}: train it again, or set the content back"
        )


def _in_words(modalities: Modalities) -> str:
    told = [f"{name} ({one.width} wide, by {one.encoder or 'an unknown encoder'})" for name, one in modalities.items()]
    return ", ".join(told) or "nothing that its table names"


def _written(staging: Staging, artifact: Artifact, content: pl.LazyFrame, ids: pl.Series) -> list[StagedFile]:
    """Files with the vectors of the items `ids`, some items in each."""
    if ids.is_empty():
        return []
    kept_by = {VERSION: artifact.version}
    parts = enumerate(_made(artifact, content, ids))
    return [staging.write(NEW_ITEM_VECTORS_TABLE, _rows(new), kept_by, place) for place, new in parts]


def _made(artifact: Artifact, content: pl.LazyFrame, ids: pl.Series) -> Iterator[NewItems]:
    import torch

    from models.new_items import new_items

    wanted = content.join(ids.to_frame().lazy(), on=ITEM_ID, how="semi").select(ITEM_ID, VECTOR)
    for rows in batches(wanted, AT_ONCE):
        if rows.height:
            yield new_items(artifact, rows[ITEM_ID], torch.tensor(to_matrix(rows[VECTOR])))


def _rows(new: NewItems) -> pl.DataFrame:
    vectors = [to_series(of.numpy(), name) for name, of in new.vectors.items()]
    return pl.DataFrame([new.item_ids.alias(ITEM_ID), *vectors])


def _versions_in(lake: Lake) -> set[str]:
    if not lake.exists(NEW_ITEM_VECTORS_TABLE):
        return set()
    return set(lake.files(NEW_ITEM_VECTORS_TABLE)[f"partition.{VERSION}"].to_list())
