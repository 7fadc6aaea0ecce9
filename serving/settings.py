"""How the endpoint runs, and which release it should serve."""

import hashlib
import os
from pathlib import Path
from typing import Annotated

import polars as pl
from pydantic import AfterValidator, Field, field_validator

from models.columns import BATCH
from models.strict import Strict
from serving.admission import AdmissionSettings
from serving.door import DoorSettings
from storage.places import is_uri
from storage.sequence_store import SequenceFiles, open_sequences
from storage.tables import scan_table

DEPLOYMENT = "Endpoint"
IMPORT_PATH = "serving.app:build"
"""What Serve runs: the deployment in `serving/app.py`, and the function that builds it."""


class AppSettings(Strict):
    """What a replica is built with; a change replaces the replicas, one new one up before an old one goes."""

    body_limit_bytes: int = Field(default=2**21, ge=1024, description="Longest request body that is read.")
    body_deadline_s: float = Field(default=5.0, gt=0, description="Seconds that a client has for sending the body.")
    admission: AdmissionSettings = Field(
        default=AdmissionSettings(), description="How many requests one replica lets in."
    )
    scoring_threads: int = Field(default=2, ge=1, description="Requests that one replica scores at the same time.")
    torch_threads: int = Field(default=1, ge=1, description="Threads that torch uses within one request.")


class EndpointSettings(Strict):
    """The profile's `endpoint:` section."""

    host: str = Field(default="127.0.0.1", description="Address that the HTTP proxy listens on.")
    port: int = Field(default=8000, ge=1, le=65535, description="Port that the HTTP proxy listens on.")
    url: str = Field(
        default="",
        description="Base URL by which clients reach the proxy; empty means http://host:port and the prefix.",
    )
    app_name: str = Field(
        default="genrec", min_length=1, description="Name of the Serve application; a profile's own is its name."
    )
    route_prefix: str = Field(default="/", pattern="^/", description="Path below which the application answers.")
    replicas: int = Field(
        default_factory=lambda: min(2, len(os.sched_getaffinity(0))),
        ge=1,
        description="Copies of the model that answer requests; by default two, so that one may die, where there are "
        "two cores.",
    )
    num_cpus: float = Field(
        default=0.2, ge=0, description="CPUs that a replica reserves; small, so that training fits beside it."
    )
    num_gpus: float = Field(default=0.0, ge=0, description="GPUs that a replica reserves.")
    door: DoorSettings = Field(
        default=DoorSettings(),
        description="How many requests the proxy lets in, before they are sent to a replica; of the profile whose "
        "`genrec up` starts the head.",
    )
    max_ongoing_requests: int = Field(
        default=256,
        ge=1,
        description="Requests inside one replica at a time, waiting ones included; more than are ever let in, because "
        "Serve's router is slow where requests wait in it.",
    )
    max_queued_requests: int = Field(
        default=256, ge=-1, description="Requests waiting for a replica before the router refuses; -1 is no limit."
    )
    health_check_period_s: float = Field(default=1.0, gt=0, description="Seconds between two checks of a replica.")
    health_check_timeout_s: float = Field(
        default=3.0, gt=0, description="Seconds for a check; after three failures in a row the replica is replaced."
    )
    request_timeout_s: float = Field(
        default=10.0, gt=0, description="Seconds after which the proxy gives a request up."
    )
    client_timeout_s: float = Field(default=15.0, gt=0, description="Seconds that our own client waits for an answer.")
    deploy_timeout_s: float = Field(
        default=300.0, gt=0, description="Seconds for a release to load before the deployment counts as failed."
    )
    app: AppSettings = Field(default_factory=AppSettings, description="What each replica is built with.")

    @property
    def base_url(self) -> str:
        """URL by which clients reach the application, without a slash at the end."""
        if self.url:
            return self.url.rstrip("/")
        host = "127.0.0.1" if self.host == "0.0.0.0" else self.host
        return f"http://{host}:{self.port}{self.route_prefix}".rstrip("/")


def _everywhere_the_same(place: str) -> str:
    if not is_uri(place) and not Path(place).is_absolute():
        raise ValueError(f"{place} is relative, but replicas have another working directory: give the absolute path")
    return place


Place = Annotated[str, AfterValidator(_everywhere_the_same)]


class TableVersion(Strict):
    """A Delta table at one commit, so that every replica reads the same rows whenever it starts."""

    uri: Place = Field(description="Folder or object-store URI of the table.")
    version: int = Field(ge=0, description="Number of the commit to read.")

    def scan(self, storage_options: dict[str, str]) -> pl.LazyFrame:
        return scan_table(self.uri, self.version, storage_options)


class VectorsBatch(TableVersion):
    """One batch of the users' vectors in their table at one commit."""

    batch: str = Field(min_length=1, description="Its name.")

    def scan(self, storage_options: dict[str, str]) -> pl.LazyFrame:
        return super().scan(storage_options).filter(pl.col(BATCH) == self.batch)


class SequencesVersion(Strict):
    """The sequences of a lake at one commit of their ledger."""

    root: Place = Field(description="Folder or object-store URI of the lake.")
    version: int = Field(ge=0, description="Number of the commit of the table `sequences`.")

    def open(self, storage_options: dict[str, str]) -> SequenceFiles:
        return open_sequences(self.root, self.version, storage_options)


class Owner(Strict):
    """Whose an application is: nobody else may replace or end it."""

    profile: str = Field(description="Name of the profile; empty: not known.")
    lake: str = Field(description="Root of its lake.")

    def same(self, other: "Owner") -> bool:
        return self.lake == other.lake and (self.profile == other.profile or not (self.profile and other.profile))

    def __str__(self) -> str:
        return f"profile {self.profile or '(unknown)'} with the lake {self.lake}"


class ReleaseConfig(Strict):
    """Everything that a replica loads: the Serve `user_config`, the only thing that differs between releases."""

    profile: str = Field(default="", description="Name of the profile whose release it is.")
    version: str = Field(min_length=1, description="Version of the artifact.")
    artifact: Path = Field(description="Folder of the artifact, on a path that every replica can read.")
    sequences: SequencesVersion = Field(description="The users' sequences.")
    items: TableVersion = Field(description="The catalogue by day.")
    catalogue_days: TableVersion | None = Field(
        default=None, description="Which of those days list everything there is; null: nothing is ever gone."
    )
    new_items: TableVersion | None = Field(
        default=None,
        description="The vectors of items that came after versions were trained; null: its own are all that it knows.",
    )
    user_vectors: VectorsBatch | None = Field(
        default=None, description="The vectors of users that a nightly batch made; null: every history is read live."
    )
    storage_options: Place | None = Field(
        default=None,
        description="File that holds the object-store options of delta-rs as JSON, on a path that every replica can "
        "read; null: there are none. Ray's dashboard shows what stands here, so that they do not.",
    )

    @field_validator("artifact")
    @classmethod
    def _absolute(cls, folder: Path) -> Path:
        return Path(_everywhere_the_same(str(folder)))

    @field_validator("storage_options", mode="before")
    @classmethod
    def _of_older_versions(cls, options: object) -> object:
        """Older versions had the options themselves here; whose such an application is can still be told."""
        return None if isinstance(options, dict) else options

    @property
    def owner(self) -> Owner:
        return Owner(profile=self.profile, lake=self.sequences.root)

    @property
    def fingerprint(self) -> str:
        """Tells releases apart that share a version but not the tables beside it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]
