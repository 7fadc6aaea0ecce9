"""What stands: the champion, whether it answers, how good it is, and how long each stage took."""

from typing import Any

import dagster as dg
from pydantic import Field
from rich.console import Group
from rich.table import Table

from assets.training.lineage import chain
from assets.training.start import ancestors_of
from assets.versions import artifact_of, releases_of, versions_of
from models.auto import Choice
from models.evaluation.report import VersionEvaluation
from models.manifest import EVALUATION, Manifest, read_manifest
from models.strict import Strict
from orchestration.environment import HOME_VARIABLE, home
from orchestration.profile import Profile
from orchestration.step_times import step_seconds
from serving.client import EndpointClient, EndpointError
from serving.settings import EndpointSettings
from storage.lake import Lake

METRICS = ("ndcg@10", "hr@10")


class Serving(Strict):
    """What the endpoint says of itself."""

    alive: bool = Field(description="Whether it answered just now.")
    profile: str | None = Field(default=None, description="The profile whose version that is.")
    version: str | None = Field(default=None, description="The version it serves.")
    family: str | None = Field(default=None, description="The family of models that version is of.")
    data_cutoff: str | None = Field(default=None, description="It was trained on interactions before this moment.")
    error: str | None = Field(default=None, description="Why it does not answer, or did not load its newest release.")


class Status(Strict):
    """The state of one profile, as `genrec status --json` prints it."""

    profile: str
    champion: str | None = Field(description="The version that should be served; null before the first promotion.")
    family: str | None = Field(default=None, description="The family of models that the champion is of.")
    parent: str | None = Field(
        default=None, description="The version whose weights the champion was trained on from; null: from scratch."
    )
    lineage: list[str] = Field(
        default=[],
        description="The model of the champion, the version whose weights it was trained on from, and so on to the one "
        "from scratch.",
    )
    evaluated: str | None = Field(description="The version that `metrics` are about: the champion, else the newest.")
    endpoint: str = Field(description="Where the endpoint answers, or would.")
    serving: Serving = Field(description="What the endpoint says of itself.")
    problem: str | None = Field(description="What is not as it should be, in a sentence; the command then exits 1.")
    metrics: dict[str, dict[str, Any]] = Field(
        description="Scorer to metric to mean, low, high, n; other slices, such as `cold`, under their own name."
    )
    chosen: dict[str, Choice] = Field(
        default={}, description="Settings of that version that the data decided, by their path in the profile, and why."
    )
    seconds: dict[str, float] = Field(description="Asset to the seconds of its newest materialization.")


def read_status(profile: Profile) -> Status:
    """Gathers the status from the lake, the endpoint and Dagster's instance; whatever is not there yet is null."""
    lake = Lake(profile.lake_root, profile.lake.storage_options, profile.artifacts_root, profile.family)
    settings = EndpointSettings.model_validate(profile.endpoint)
    champion = releases_of(lake).champion()
    manifest = _manifest(lake, champion)
    evaluated, serving = _evaluation(lake, champion), _ask(settings)
    about = _manifest(lake, evaluated.version) if evaluated else manifest
    return Status(
        profile=profile.name,
        champion=champion,
        family=manifest.family if manifest else None,
        parent=manifest.parent if manifest else None,
        lineage=_lineage(lake, manifest),
        evaluated=evaluated.version if evaluated else None,
        endpoint=settings.base_url,
        serving=serving,
        problem=_problem(profile.name, champion, serving),
        metrics=evaluated.summary() if evaluated else {},
        chosen=_chosen(lake, evaluated, about),
        seconds=_seconds(),
    )


def _chosen(lake: Lake, evaluated: VersionEvaluation | None, about: Manifest | None) -> dict[str, Choice]:
    """What the data decided of a version, and of those that were evaluated beside it in settings of their own."""
    beside = [_manifest(lake, contestant.version) for contestant in evaluated.contestants.values()] if evaluated else []
    return {path: choice for manifest in (*beside, about) if manifest for path, choice in manifest.chosen.items()}


def status_table(status: Status) -> Group:
    """The status for people."""
    about = Table(show_header=False, box=None)
    serving = status.serving
    # An error says where by itself.
    served = f"{serving.version} ({serving.family})" if serving.family else serving.version
    state = f"{status.endpoint} serves {served}" if serving.alive else serving.error
    for row in (
        ("profile", status.profile),
        ("champion", _named(status.champion, status.family)),
        *([("lineage", chain(status.lineage))] if status.lineage else []),
        ("endpoint", state),
        *([("problem", status.problem)] if status.problem else []),
    ):
        about.add_row(*row)
    metrics = Table("", *METRICS, *(f"{name}, cold items" for name in METRICS), title=f"version {status.evaluated}")
    for scorer, numbers in status.metrics.items():
        slices = (numbers, numbers.get("cold", {}))
        metrics.add_row(scorer, *(_interval(part.get(name)) for part in slices for name in METRICS))
    seconds = Table("stage", "seconds", title="newest materializations")
    for stage, took in status.seconds.items():
        seconds.add_row(stage, f"{took:.1f}")
    chosen = Table("setting", "value", "why", title=f"chosen from the data for version {status.evaluated}")
    for path, choice in status.chosen.items():
        chosen.add_row(path, str(choice.value), choice.reason)
    tables = ((metrics, status.metrics), (chosen, status.chosen), (seconds, status.seconds))
    return Group(about, *(table for table, rows in tables if rows))


def _named(champion: str | None, family: str | None) -> str:
    return f"{champion} ({family or 'its artifact is gone'})" if champion else "none yet"


def _manifest(lake: Lake, version: str | None) -> Manifest | None:
    """What is said about a version; None where its artifact is gone or damaged."""
    if version is None:
        return None
    try:
        return read_manifest(artifact_of(lake, version))
    except (OSError, ValueError):
        return None


def _lineage(lake: Lake, champion: Manifest | None) -> list[str]:
    """The chain at whose end the champion stands, or of a blend its model; empty where it is of another family."""
    model = champion and _manifest(lake, champion.parts.get(lake.family, champion.version))
    return ancestors_of(artifact_of(lake, model.version)) if model and model.family == lake.family else []


def _evaluation(lake: Lake, champion: str | None) -> VersionEvaluation | None:
    """The champion's evaluation; where it has none of its own, that of the newest version that has one."""
    evaluated = [folder for folder in versions_of(lake).values() if (folder / EVALUATION).exists()]
    own = [folder for folder in evaluated if folder.name == champion]
    newest = (own or evaluated)[-1:]
    return VersionEvaluation.read(newest[0]) if newest else None


def _ask(settings: EndpointSettings) -> Serving:
    with EndpointClient(settings.base_url, timeout_s=3) as client:
        try:
            found = client.status()
        except EndpointError as error:
            return Serving(alive=False, error=str(error))
    cutoff = found.data_cutoff.isoformat() if found.data_cutoff else None
    return Serving(
        alive=True,
        profile=found.profile,
        version=found.version,
        family=found.family,
        data_cutoff=cutoff,
        error=found.last_error,
    )


def _problem(profile: str, champion: str | None, serving: Serving) -> str | None:
    if not serving.alive:
        return f"{champion} is champion, but nothing answers: run `genrec up`" if champion else None
    if serving.profile and serving.profile != profile:
        return f"what answers there belongs to profile {serving.profile}: give one of the two another endpoint.port"
    if serving.error:
        return f"the endpoint did not load what it was told to serve: {serving.error}"
    if serving.version != champion:
        if champion is None:
            return f"the endpoint serves {serving.version}, which was not deployed from {home()}: set {HOME_VARIABLE}"
        return f"the endpoint serves {serving.version}, but champion is {champion}: materialize 'endpoint'"
    return None


def _seconds() -> dict[str, float]:
    from orchestration.definitions import defs

    keys = defs().resolve_asset_graph().toposorted_asset_keys
    with dg.DagsterInstance.get() as instance:
        steps = {key: _step_seconds(instance, key) for key in keys}
    return {key.to_user_string(): took for key, took in steps.items() if took is not None}


def _step_seconds(instance: dg.DagsterInstance, key: dg.AssetKey) -> float | None:
    event = instance.get_latest_materialization_event(key)
    if event is None or event.dagster_event is None or event.dagster_event.step_key is None:
        return None
    took = step_seconds(instance, event.run_id).get(event.dagster_event.step_key)
    return None if took is None else round(took, 3)


def _interval(measure: dict[str, float] | None) -> str:
    if not measure:
        return ""
    low, high = measure.get("low"), measure.get("high")
    interval = f" [{low:.4f}, {high:.4f}]" if low is not None and high is not None else ""
    return f"{measure['mean']:.4f}{interval}"
