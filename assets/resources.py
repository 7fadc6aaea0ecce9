"""Dagster resources: the lake, the Ray cluster, and the settings of each stage as the profile gives them.

A stage's settings are a pydantic model in the stage's own room, so its plain functions know no Dagster. The resource
carries them as a dictionary, which the UI shows and the launchpad can override, and checks them when they are used.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from assets.engine import Engine, open_engine
from assets.lake import Lake
from assets.schema import IdType

if TYPE_CHECKING:
    from assets.content.settings import ContentSettings
    from assets.evaluation.settings import EvaluationSettings
    from assets.events.rules import QualitySettings
    from assets.release.gate import GateSettings
    from assets.retention.settings import RetentionSettings
    from assets.sources.source import Source
    from assets.training.settings import TrainingSettings
    from serving.settings import EndpointSettings


class LakeResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where the profile's tables and folders are."""

    root: str = Field(description="Folder or object-store URI that holds every table.")
    storage_options: dict[str, str] = Field(default_factory=dict, description="Object-store options of delta-rs.")
    artifacts: str = Field(default="", description="Folder for what is no table; empty: the root.")
    profile: str = Field(default="", description="Name of the profile, recorded with every version.")
    id_type: str = Field(default="string", description="Type of user and item ids: string or int64.")
    user_buckets: int = Field(default=0, description="Files of the sequences; 0: as many as memory asks for.")
    rows_in_memory: int = Field(default=4_000_000, description="About how many rows a stage holds at once.")
    engine: str = Field(default="local", description="Where buckets and days are worked on: local or ray.")
    ray_address: str = Field(default="", description="GCS address of the cluster that the engine `ray` works on.")

    def open(self) -> Lake:
        return Lake(self.root, self.storage_options, self.artifacts)

    def open_engine(self) -> AbstractContextManager[Engine]:
        """The engine that works on days and buckets."""
        return open_engine("ray" if self.engine == "ray" else "local", self.ray_address)

    @property
    def ids(self) -> IdType:
        return "int64" if self.id_type == "int64" else "string"


class RayResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Which Ray cluster trains and serves."""

    mode: str = Field(default="attach", description="attach: use the cluster at `address`; inline: no cluster at all.")
    address: str = Field(default="", description="GCS address of the cluster, host:port.")
    dashboard: str = Field(default="", description="URL of the cluster's dashboard, which deploys Serve applications.")


class StageSettings(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The settings of one stage, as written in the profile."""

    settings: dict[str, Any] = Field(default_factory=dict, description="The stage's section of the profile.")


class SourceResource(StageSettings):
    """Where raw logs and the catalogue come from."""

    landing: str = Field(description="Folder of the landing files that this platform writes itself.")
    first_day: str = Field(description="First day of the profile, ISO.")

    def open(self) -> Source:
        from assets.sources.settings import open_source

        source: Source = open_source(self.settings, landing=self.landing, first_day=date.fromisoformat(self.first_day))
        return source


class QualityResource(StageSettings):
    """What makes a row good and a day of rows acceptable."""

    def load(self) -> QualitySettings:
        from assets.events.rules import QualitySettings

        return QualitySettings.model_validate(self.settings)


class ContentResource(StageSettings):
    """Which encoders turn texts and images into vectors."""

    def load(self) -> ContentSettings:
        from assets.content.settings import ContentSettings

        return ContentSettings.model_validate(self.settings)


class TrainingResource(StageSettings):
    """The model and how it is trained."""

    def load(self) -> TrainingSettings:
        from assets.training.settings import TrainingSettings

        return TrainingSettings.model_validate(self.settings)


class EvaluationResource(StageSettings):
    """Which window and users are evaluated, and how."""

    def load(self) -> EvaluationSettings:
        from assets.evaluation.settings import EvaluationSettings

        return EvaluationSettings.model_validate(self.settings)


class GateResource(StageSettings):
    """When a version may become champion."""

    def load(self) -> GateSettings:
        from assets.release.gate import GateSettings

        return GateSettings.model_validate(self.settings)


class EndpointResource(StageSettings):
    """How the champion is served."""

    def load(self) -> EndpointSettings:
        from serving.settings import EndpointSettings

        return EndpointSettings.model_validate(self.settings)


class RetentionResource(StageSettings):
    """How long what is no longer the newest is kept."""

    def load(self) -> RetentionSettings:
        from assets.retention.settings import RetentionSettings

        return RetentionSettings.model_validate(self.settings)
