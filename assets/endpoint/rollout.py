"""Bringing the champion to the endpoint: which release that is, with its tables pinned, and its deployment."""

from assets.lake import Lake
from assets.schema import ITEMS_TABLE
from assets.versions import ARTIFACTS, releases_of
from models.manifest import read_manifest
from models.sequence_store import SEQUENCES_TABLE
from serving.deploy import deploy
from serving.schema import EndpointStatus
from serving.settings import EndpointSettings, ReleaseConfig, SequencesVersion, TableVersion


class NoChampion(LookupError):
    """There is nothing to deploy yet."""


def champion_release(lake: Lake, profile: str) -> ReleaseConfig:
    """The champion with the newest sequences and catalogue, pinned, so that every replica reads the same rows.

    Raises:
        NoChampion: no version was ever promoted.
    """
    releases = releases_of(lake)
    version = releases.champion()
    if version is None:
        decisions = releases.log()["reason"].to_list()
        why = f"the last decision was: {decisions[-1]}" if decisions else "materialize the asset 'release' first"
        raise NoChampion(f"no version in {lake.root} was ever promoted, so there is nothing to deploy; {why}")
    return ReleaseConfig(
        profile=profile,
        version=version,
        artifact=lake.folder(ARTIFACTS) / version,
        sequences=SequencesVersion(root=lake.root, version=lake.version(SEQUENCES_TABLE)),
        items=TableVersion(uri=lake.uri(ITEMS_TABLE), version=lake.version(ITEMS_TABLE)),
        storage_options=lake.storage_options,
    )


def positive_actions(lake: Lake, version: str) -> list[str]:
    """The actions that a version counts as liking an item."""
    return read_manifest(lake.folder(ARTIFACTS) / version).positive_actions


def deploy_champion(lake: Lake, profile: str, endpoint: EndpointSettings, dashboard: str) -> EndpointStatus:
    """Makes the endpoint serve the champion and returns once it does.

    Which version that is, the log is asked when nobody else can deploy: the endpoint ends with the log's champion,
    however many deploy at once.

    Raises:
        NoChampion: no version was ever promoted.
        Superseded: another version became champion while this one was being loaded, and was deployed.
        DeployError: the release does not load or the cluster does not answer; what was served before still is.
    """
    return deploy(endpoint, lambda: champion_release(lake, profile), dashboard)
