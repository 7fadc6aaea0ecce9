"""The release being served, and its replacement: loaded aside, tried, then swapped in by one assignment."""

import logging
import threading
from collections.abc import Mapping
from typing import Any

from serving.loaded import LoadedRelease, load_release
from serving.schema import EndpointStatus
from serving.settings import ReleaseConfig

logger = logging.getLogger(__name__)


class NotLoaded(RuntimeError):
    """No release is loaded yet."""


class ReleaseSlot:
    """Holds what one replica serves. Threads may read while another one replaces.

    Args:
        replica: Name of the replica, for its status.
    """

    def __init__(self, replica: str = "local") -> None:
        self._replica = replica
        self._active: LoadedRelease | None = None
        self._desired: ReleaseConfig | None = None
        self._error: str | None = None
        self._loading = False
        self._failures = 0
        self._last_failure: str | None = None
        self._one_at_a_time = threading.Lock()
        self._counting = threading.Lock()

    @property
    def empty(self) -> bool:
        return self._active is None

    def get(self) -> LoadedRelease:
        """The release being served.

        Raises:
            NotLoaded: there is none yet; the message says why.
        """
        release = self._active
        if release is None:
            raise NotLoaded(f"no release is loaded yet: {self._error or 'the first one is still being loaded'}")
        return release

    def replace(self, config: Mapping[str, Any]) -> None:
        """Loads the release that `config` describes and serves it from then on. Never raises.

        Serve takes a replica down whose reconfiguration raises; so a release that does not load leaves the old one in
        place and is told by `status`. Blocks while loading: call it off the event loop.
        """
        with self._one_at_a_time:
            try:
                self._replace(ReleaseConfig.model_validate(config))
            except Exception as error:
                logger.exception("the release was not loaded; the one before keeps serving")
                self._error = f"{type(error).__name__}: {error}"
            finally:
                self._loading = False

    def count_failure(self, error: Exception) -> None:
        """Remembers that the model failed on a request, for `status`."""
        with self._counting:
            self._failures += 1
            self._last_failure = f"{type(error).__name__}: {error}"

    def status(self) -> EndpointStatus:
        active, desired = self._active, self._desired
        return EndpointStatus(
            profile=active.config.profile if active else None,
            version=active.config.version if active else None,
            family=active.artifact.family.name if active else None,
            release=active.config.fingerprint if active else None,
            desired_version=desired.version if desired else None,
            desired_release=desired.fingerprint if desired else None,
            loading=self._loading,
            last_error=self._error,
            model_failures=self._failures,
            last_failure=self._last_failure,
            data_cutoff=active.artifact.manifest.cutoff if active else None,
            items=len(active.artifact.vocabulary.known_items) if active else 0,
            new_items=active.new_items if active else 0,
            users=len(active.histories) if active else 0,
            user_vectors=len(active.user_vectors) if active and active.user_vectors else 0,
            space=active.space.id if active and active.space else None,
            loaded_at=active.loaded_at if active else None,
            load_seconds=active.load_seconds if active else None,
            replica=self._replica,
        )

    def _replace(self, config: ReleaseConfig) -> None:
        self._desired = config
        if self._active is not None and self._active.config == config:
            return
        self._loading = True
        self._error = None
        self._active = load_release(config)
        with self._counting:
            self._failures, self._last_failure = 0, None
