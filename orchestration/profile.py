"""A profile: one YAML file that says whose data, which model, when to release and where to serve."""

import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from models.auto import FollowsData, NotFromData, read_section
from models.strict import Strict, sentence
from orchestration.environment import HOME_VARIABLE, home, state_folder
from orchestration.profile_yaml import ProfileError, read_yaml
from serving.ports import LOOPBACK
from storage.places import absolute, is_uri

PROFILES = Path(__file__).parent / "profiles"
AUTO_DAYS = 14
NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]*")
RESERVED_NAMES = ("bench", "ray")
"""Folders beside those of the profiles."""

Section = dict[str, Any]
"""A stage's settings as the profile writes them."""

PartitionKind = Literal["day", "week", "month"]

MOST_PARTITIONS = 1_500
"""More of them take a run longer to keep on record than a sparse log takes to be read."""

Port = Annotated[int, Field(ge=1024, le=65535)]


@dataclass(frozen=True)
class CheckedBy:
    """Which class checks a section: `module:Name`, imported only when it is asked, because some import torch."""

    settings: str


def spelled(name: str) -> str:
    """`name` itself where a profile may be called so, else what comes near it."""
    return name if NAME.fullmatch(name) else re.sub("[^a-z0-9]+", "-", name.lower()).strip("-") or "shop"


class SectionError(ValueError):
    """A section does not fit its settings; the message names the keys."""


class LakeSettings(Strict):
    """Where the tables are."""

    root: str = Field(default="", description="Folder or object-store URI of every table; empty: the profile's state.")
    storage_options: dict[str, str] = Field(default_factory=dict, description="Object-store options of delta-rs.")
    artifacts: str = Field(
        default="",
        description="Folder for what is not a table, such as models and reports; empty: the root, or the profile's "
        "state where the root is a URI.",
    )
    user_buckets: int = Field(
        default=0, ge=0, le=4096, description="Files of the sequences; 0: as many as keep one within `rows_in_memory`."
    )
    rows_in_memory: int = Field(
        default=4_000_000, ge=10_000, description="About how many rows a stage holds at once; memory follows from it."
    )
    engine: Literal["local", "ray"] = Field(
        default="local", description="Where days and buckets are worked on: threads of the run, or tasks of Ray."
    )


class RaySettings(Strict):
    """Which Ray cluster trains and serves."""

    mode: Literal["local", "attach", "inline"] = Field(
        default="local",
        description="local: the head that `genrec up` starts; attach: the cluster at `address`; inline: no cluster.",
    )
    address: str = Field(default="", description="attach: GCS address of the cluster, host:port.")
    dashboard: str = Field(default="", description="attach: URL of the cluster's dashboard.")
    num_cpus: int = Field(default=4, ge=2, description="local: CPUs Ray may hand out; training and serving share them.")
    port: Port = Field(default=6399, description="local: port of the head's GCS.")
    dashboard_port: Port = Field(default=8275, description="local: port of the head's dashboard.")
    object_store_mb: int = Field(default=1024, ge=100, description="local: shared memory of the object store, MiB.")

    @model_validator(mode="after")
    def _attach_needs_addresses(self) -> "RaySettings":
        if self.mode == "attach" and not (self.address and self.dashboard):
            raise ValueError("mode attach needs ray.address and ray.dashboard of the cluster")
        return self

    @property
    def gcs_address(self) -> str:
        return f"127.0.0.1:{self.port}" if self.mode == "local" else self.address

    @property
    def dashboard_url(self) -> str:
        return f"http://127.0.0.1:{self.dashboard_port}" if self.mode == "local" else self.dashboard


class UiSettings(Strict):
    """Dagster's UI on this machine, and what its pages link to."""

    port: Port = Field(default=3000, description="Port of the UI, unless `genrec ui --port` names another.")
    data_docs_port: Port | None = Field(
        default=None,
        description="Port of the Data Docs that `genrec ui` serves beside it; none: one from 20000 to 29999 that "
        "follows from the folder of the profile's state, so that profiles do not share it.",
    )
    data_docs_url: str = Field(
        default="", description="URL by which readers reach the Data Docs; empty: that port of this machine."
    )


class Profile(Strict):
    """Everything that tells one installation of the line from another."""

    name: str = Field(description="Name of the profile and of its state folder.")
    origin: str = Field(description="What `load_profile` was given: a name, or the absolute path of a file.")
    first_day: date | Literal["auto"] = Field(description="First day; auto: 14 days before the first use.")
    last_day: date | None = Field(default=None, description="Day after the last one; none: up to yesterday.")
    partitions: Literal["auto", "day", "week", "month"] = Field(
        default="auto",
        description="What one partition holds, by which runs are launched and shown; auto: a day, or, where a span "
        f"with an end would have more than {MOST_PARTITIONS:,} of them, a week, or else a month.",
    )
    id_type: Literal["string", "int64"] = Field(default="string", description="Type of user and item ids.")
    cores: int | None = Field(
        default=None,
        ge=1,
        description="Cores that a process uses at once, with all its libraries; none: those that the system allows.",
    )
    lake: LakeSettings = Field(default=LakeSettings(), description="Where the tables are.")
    ray: RaySettings = Field(default=RaySettings(), description="Which Ray cluster trains and serves.")
    ui: UiSettings = Field(default=UiSettings(), description="Dagster's UI on this machine.")
    source: Annotated[Section, CheckedBy("assets.sources.settings:SourceSettings")] = Field(
        description="Where raw logs and the catalogue come from."
    )
    quality: Annotated[Section, CheckedBy("assets.validation.settings:QualitySettings")] = Field(
        default_factory=dict, description="What makes a row good and a day acceptable."
    )
    content: Annotated[Section, CheckedBy("assets.content.settings:ContentSettings")] = Field(
        default_factory=dict, description="Which encoders turn texts and images into vectors."
    )
    training: Annotated[Section, CheckedBy("assets.training.settings:TrainingSettings")] = Field(
        default_factory=dict, description="The model and how it is trained."
    )
    scaling: Annotated[Section, CheckedBy("assets.scaling.settings:ScalingSettings")] = Field(
        default_factory=dict, description="Which sizes of the model's backbone are compared, and on how much data."
    )
    ranking: Annotated[Section, CheckedBy("assets.ranking.settings:RankingSettings")] = Field(
        default_factory=dict, description="The model that ranks what is shown, and how it is trained."
    )
    argus: Annotated[Section, CheckedBy("assets.argus.settings:ArgusSettings")] = Field(
        default_factory=dict, description="ARGUS, which learns from everything that happened, and how it is trained."
    )
    evaluation: Annotated[Section, CheckedBy("assets.splits.settings:EvaluationSettings")] = Field(
        default_factory=dict, description="Which window and users are evaluated, and how."
    )
    release: Annotated[Section, CheckedBy("assets.release.settings:ReleaseSettings")] = Field(
        default_factory=dict, description="When a version may become champion."
    )
    vectors: Annotated[Section, CheckedBy("assets.vectors.settings:VectorsSettings")] = Field(
        default_factory=dict, description="Which vectors of users and items are published, and for how long."
    )
    endpoint: Annotated[Section, CheckedBy("serving.settings:EndpointSettings")] = Field(
        default_factory=dict, description="How the champion is served."
    )
    retention: Annotated[Section, CheckedBy("assets.retention.settings:RetentionSettings")] = Field(
        default_factory=dict, description="How long what is not the newest is kept."
    )

    @model_validator(mode="before")
    @classmethod
    def _application_has_the_name_of_the_profile(cls, values: dict[str, Any]) -> dict[str, Any]:
        endpoint = values.get("endpoint", {})
        if isinstance(endpoint, dict) and "name" in values:
            return {**values, "endpoint": {"app_name": values["name"], **endpoint}}
        return values

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is no name of a profile, which is made of a-z, A-Z, 0-9, _ and -, the first no _ or -: "
                f"write `name: {spelled(name)}` in it"
            )
        if name.lower() in RESERVED_NAMES:
            raise ValueError(f"'{name}' names another folder of the state: choose another name")
        return name

    @model_validator(mode="after")
    def _some_day(self) -> "Profile":
        if self.first_day != "auto" and self.last_day and self.last_day <= self.first_day:
            raise ValueError(f"last_day {self.last_day} must lie after first_day {self.first_day}: it is excluded")
        return self

    @property
    def lake_root(self) -> str:
        """An absolute folder, because other processes open it too, or a URI."""
        root = self.lake.root or str(state_folder(self.name))
        return root if is_uri(root) else str(absolute(root, "lake.root"))

    @property
    def artifacts_root(self) -> str:
        """An absolute folder, or nothing where the root is that folder."""
        if self.lake.artifacts:
            return str(absolute(self.lake.artifacts, "lake.artifacts"))
        return str(state_folder(self.name)) if is_uri(self.lake_root) else ""

    @property
    def family(self) -> str:
        """Family of the models that find items: whose versions the line makes, and whose champion it serves."""
        family: str = section_settings("training", self.training).model.family
        return family

    @property
    def data_docs_port(self) -> int:
        """Always the same, because what was materialized long ago links to it."""
        return self.ui.data_docs_port or 20_000 + zlib.crc32(str(state_folder(self.name)).encode()) % 10_000

    @property
    def data_docs_url(self) -> str:
        return self.ui.data_docs_url or f"http://{LOOPBACK}:{self.data_docs_port}"

    def partitioned_by(self) -> PartitionKind:
        """What one partition holds."""
        if self.partitions != "auto":
            return self.partitions
        return suited_partitions((self.last_day - self.start()).days) if self.last_day else "day"

    def start(self) -> date:
        """The first day; `auto` is decided once and remembered beside the profile's state, so later days extend it."""
        if self.first_day != "auto":
            return self.first_day
        memory = state_folder(self.name) / "first_day"
        if not memory.exists():
            day = datetime.now(UTC).date() - timedelta(days=AUTO_DAYS)
            draft = memory.with_suffix(f".{os.getpid()}")
            draft.write_text(day.isoformat())
            draft.replace(memory)
        try:
            return date.fromisoformat(memory.read_text())
        except ValueError:
            raise ProfileError(
                f"{memory} holds no date: delete it and run again, or write the first day there"
            ) from None


def suited_partitions(days: int) -> PartitionKind:
    """The shortest that divide a span of so many days into few enough; how many rows they hold does not matter, because
    a run holds only some of them at once."""
    if days <= MOST_PARTITIONS:
        return "day"
    return "week" if days <= 7 * MOST_PARTITIONS else "month"


SECTIONS = {
    name: marker.settings
    for name, field in Profile.model_fields.items()
    for marker in field.metadata
    if isinstance(marker, CheckedBy)
}
"""The sections that stages have, and which class checks each."""


def section_settings(section: str, values: Mapping[str, Any]) -> Any:
    """The settings of `section` as `values` give them.

    Raises:
        SectionError: an unknown key, a missing one, or a value that does not fit.
    """
    module, name = SECTIONS[section].split(":")
    kind = getattr(import_module(module), name)
    try:
        if isinstance(kind, type) and issubclass(kind, FollowsData):
            return read_section(kind, values)
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        raise SectionError(sentence(error, section, given=values)) from error
    except NotFromData as error:
        raise SectionError(f"{section}.{error}") from error


def load_profile(name_or_path: str) -> Profile:
    """Reads a profile that comes with the platform (by name) or any YAML file (by path), and checks all of it.

    Raises:
        ProfileError: no such file, not YAML, an unset variable, an unknown key or a value that does not fit.
    """
    path = find_profile(name_or_path)
    content = read_yaml(path, {**os.environ, HOME_VARIABLE: str(home())})
    if "origin" in content:
        raise ProfileError(f"profile {path}: origin is not for a profile to say: leave it out")
    given = name_or_path if path.parent == PROFILES else str(path.absolute())
    try:
        profile = Profile.model_validate({"name": path.stem, **content, "origin": given})
        checked = {section: section_settings(section, getattr(profile, section)) for section in SECTIONS}
        _require_offered(checked["source"], checked["quality"])
    except SectionError as error:
        raise ProfileError(f"profile {path}: {error}") from error
    except ValidationError as error:
        raise ProfileError(f"profile {path}: {sentence(error, given=content)}") from error
    return profile


def _require_offered(source: Any, quality: Any) -> None:
    """Raises SectionError: the source does not have a column that is declared."""
    from assets.sources.settings import require_offered

    try:
        require_offered(source, quality.columns)
    except ValueError as error:
        raise SectionError(str(error)) from error


def find_profile(name_or_path: str) -> Path:
    """The file of a profile that comes with the platform (by name), or that of a path.

    Raises:
        ProfileError: there is none.
    """
    path = Path(name_or_path) if name_or_path.endswith((".yaml", ".yml")) else PROFILES / f"{name_or_path}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in PROFILES.glob("*.yaml")))
        raise ProfileError(f"there is no profile {name_or_path}: name one of {known}, or the path of a .yaml file")
    return path
