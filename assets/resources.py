"""What assets of every stage ask Dagster for: the lake and the Ray cluster.

Besides, they ask for the settings of a stage, which are a pydantic model in the stage's own room, so that its plain
functions know no Dagster: as `dg.ResourceParam[QualitySettings]` an asset gets the model itself, checked before the
run's first step; `orchestration.resources` fills it from profile and launchpad.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

import dagster as dg

from assets.compatibility import require_compatible
from assets.engine import Engine, EngineName, open_engine
from assets.validation.data_docs import DATA_DOCS, DataDocs
from storage.lake import Lake
from storage.schema import IdType


@dataclass(frozen=True)
class Storage:
    """Where the profile's tables and folders are. A launch cannot change it, and the UI does not show it.

    Attributes:
        root: Folder or object-store URI that holds every table.
        storage_options: Object-store options of delta-rs; credentials may be among them.
        artifacts: Folder for what is not a table; empty: the root.
        family: Family of the models that find items.
        landing: Folder of the landing files that this platform writes itself.
        profile: Name of the profile, recorded with every version.
        user_buckets: Files of the sequences; 0: as many as memory asks for.
        rows_in_memory: About how many rows a stage holds at once.
        engine: Where days and buckets are worked on.
        ray_address: GCS address of the cluster that the engine `ray` works on.
        data_docs_url: Where readers reach the folder of Data Docs; empty: as files.
    """

    root: str
    storage_options: dict[str, str] = field(default_factory=dict, repr=False)
    artifacts: str = ""
    family: str = "hstu"
    landing: str = ""
    profile: str = ""
    id_type: IdType = "string"
    user_buckets: int = 0
    rows_in_memory: int = 4_000_000
    engine: EngineName = "local"
    ray_address: str = ""
    data_docs_url: str = ""

    def open(self) -> Lake:
        return Lake(self.root, self.storage_options, self.artifacts, self.family)

    def open_for_writing(self) -> Lake:
        """The lake for those who add to its tables.

        Raises:
            ValueError: it was written with other ids or by another contract.
        """
        lake = self.open()
        require_compatible(lake, self.id_type)
        return lake

    def data_docs(self) -> DataDocs:
        """The pages that Great Expectations' results are told on."""
        return DataDocs(self.open().folder(DATA_DOCS), self.data_docs_url)

    def open_engine(self) -> AbstractContextManager[Engine]:
        """The engine that works on days and buckets."""
        return open_engine(self.engine, self.ray_address)


@dataclass(frozen=True)
class RayCluster:
    """Which Ray cluster trains and serves.

    Attributes:
        mode: attach: the cluster at `address`; inline: no cluster at all.
        address: GCS address of the cluster, host:port.
        dashboard: URL of its dashboard, which deploys Serve applications.
    """

    mode: Literal["attach", "inline"] = "attach"
    address: str = ""
    dashboard: str = ""


NO_CONFIG: Any = dg.Field(
    dg.Shape({}),  # type: ignore[no-untyped-call]
    is_required=False,
    description="Nothing can be set here: the settings of the stages stand under `resources`.",
)
"""What a definition takes in the launchpad unless it says otherwise. Without it Dagster takes anything, unread."""

LakeResource = dg.ResourceParam[Storage]
RayResource = dg.ResourceParam[RayCluster]
