"""Promotes and deploys each version that a line of the input names: `python -m benchmarks.rollback_rollouts`.

Prints a line of JSON when it is done: when it began and ended, in seconds since the epoch.
"""

import json
import os
import sys
import time

from orchestration import environment
from orchestration.profile import load_profile


def main() -> None:
    profile = load_profile(os.environ[environment.PROFILE_VARIABLE])
    environment.apply(profile)
    from assets.endpoint.rollout import deploy_champion
    from assets.versions import releases_of
    from serving.settings import EndpointSettings
    from storage.lake import Lake

    lake = Lake(profile.lake_root, profile.lake.storage_options, profile.artifacts_root, profile.family)
    endpoint = EndpointSettings.model_validate(profile.endpoint)
    for line in sys.stdin:
        began = time.time()
        releases_of(lake).promote(line.strip(), "the benchmark says so")
        deploy_champion(lake, profile.name, endpoint, profile.ray.dashboard_url)
        print(json.dumps({"began": began, "done": time.time()}), flush=True)


if __name__ == "__main__":
    main()
