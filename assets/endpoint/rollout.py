"""Bringing the champion to the endpoint: which release that is, with its tables pinned, and its deployment."""

import json

from assets.vectors.batches import newest_batch
from assets.versions import VersionMissing, artifact_of, releases_of
from models.availability import CATALOGUE_DAYS_TABLE
from models.manifest import read_manifest
from serving.deploy import DeployError, LoadError, Superseded, deploy
from serving.schema import EndpointStatus
from serving.settings import EndpointSettings, ReleaseConfig, SequencesVersion, TableVersion, VectorsBatch
from storage.lake import Lake
from storage.schema import ITEMS_TABLE, NEW_ITEM_VECTORS_TABLE, USER_VECTORS_TABLE
from storage.secret_file import write_secret
from storage.sequence_store import SEQUENCES_TABLE

SERVING = "serving"
"""The folder of the lake for what replicas read and Ray must not show."""


class NoChampion(LookupError):
    """There is nothing to deploy yet."""


def champion_release(lake: Lake, profile: str) -> ReleaseConfig:
    """The champion with the newest sequences and catalogue, pinned, so that every replica reads the same rows.

    Raises:
        NoChampion: no version was ever promoted.
        VersionMissing: the champion's artifact is gone.
    """
    version = releases_of(lake).champion()
    if version is None:
        raise NoChampion(_nothing_to_deploy(lake))
    return ReleaseConfig(
        profile=profile,
        version=version,
        artifact=artifact_of(lake, version),
        sequences=SequencesVersion(root=lake.root, version=lake.version(SEQUENCES_TABLE)),
        items=_newest(lake, ITEMS_TABLE),
        catalogue_days=_newest(lake, CATALOGUE_DAYS_TABLE) if lake.exists(CATALOGUE_DAYS_TABLE) else None,
        new_items=_newest(lake, NEW_ITEM_VECTORS_TABLE) if lake.exists(NEW_ITEM_VECTORS_TABLE) else None,
        user_vectors=_vectors_of(lake, version),
        storage_options=_storage_options_file(lake, profile),
    )


def _vectors_of(lake: Lake, version: str) -> VectorsBatch | None:
    """The newest vectors of users that are of that version."""
    batch = newest_batch(lake, version)
    table = _newest(lake, USER_VECTORS_TABLE) if batch else None
    return VectorsBatch(uri=table.uri, version=table.version, batch=batch) if table and batch else None


def _storage_options_file(lake: Lake, profile: str) -> str | None:
    """Puts the lake's object-store options, which may be credentials, where replicas find them and only their user.

    Replicas read the file whenever they load a release, so that the newest options count.
    """
    if not lake.storage_options:
        return None
    path = lake.folder(SERVING) / f"{profile or 'profile'}-storage.json"
    write_secret(path, json.dumps(lake.storage_options))
    return str(path)


def _newest(lake: Lake, table: str) -> TableVersion:
    return TableVersion(uri=lake.uri(table), version=lake.version(table))


def positive_actions(lake: Lake, version: str) -> list[str]:
    """The actions that a version counts as liking an item."""
    return read_manifest(artifact_of(lake, version)).positive_actions


def deploy_champion(lake: Lake, profile: str, endpoint: EndpointSettings, dashboard: str) -> EndpointStatus:
    """Makes the endpoint serve the champion, records that it does, and returns once it is so.

    Which version that is, the log is asked while nobody else can deploy, and again where someone else deployed
    meanwhile: the endpoint ends with the log's champion, however many deploy at once. A champion that does not load, or
    is not there, and never served is champion no more; the one before it is deployed in its place.

    Raises:
        NoChampion: no version was ever promoted.
        VersionMissing: the champion's artifact is gone; what was served before still is.
        DeployError: the champion does not load or the cluster does not answer; what was served before still is.
    """
    releases, broken = releases_of(lake), None
    while True:
        try:
            status = deploy(endpoint, lambda: champion_release(lake, profile), dashboard)
        except (LoadError, VersionMissing) as error:
            if not releases.failed(error.version, str(error)):
                raise
            broken = error
        except Superseded as error:
            if error.by is None:
                raise
        except NoChampion as error:
            raise broken or error from None
        else:
            break
    releases.served(str(status.version))
    if broken:
        raise DeployError(f"{broken}; {status.version} is champion again and answers") from broken
    return status


def _nothing_to_deploy(lake: Lake) -> str:
    decisions = releases_of(lake).log()["reason"].to_list()
    why = f"the last decision was: {decisions[-1]}" if decisions else "materialize the asset 'release' first"
    return f"no version in {lake.root} was ever promoted, so there is nothing to deploy; {why}"
