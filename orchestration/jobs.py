"""Jobs: the whole line by hand, the same every night, the search for settings, and the way back."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.endpoint.page import endpoint_metadata
from assets.endpoint.rollout import deploy_champion
from assets.release.page import release_metadata
from assets.resources import LakeResource, RayResource
from assets.versions import releases_of
from orchestration import turns
from serving.settings import EndpointSettings

SEARCH = dg.AssetSelection.assets("tuned_hyperparameters")
THE_LINE = dg.AssetSelection.assets("endpoint").upstream() - SEARCH
"""What a night runs. The search for hyper-parameters comes before the model, but takes hours and is asked for."""

line = dg.define_asset_job(
    "line", THE_LINE, description="Raw logs to the live endpoint: every stage for the chosen days."
)

nightly = dg.define_asset_job(
    "nightly",
    THE_LINE,
    description="The line for one new day; the release gate decides whether it reaches the endpoint.",
)


def _line_that_starts_from(start: str | None) -> Mapping[str, Any]:
    """The line's configuration with another start than the profile's."""
    return {"resources": {"training": {"config": {"start_from": start}}}}


CADENCES = {"full_train": _line_that_starts_from(None), "nightly_train": _line_that_starts_from("champion")}
"""Jobs that decide by themselves what training starts from, and how they are configured."""

full_train = dg.define_asset_job(
    "full_train",
    THE_LINE,
    config=CADENCES["full_train"],
    description="The line with a model that is trained from scratch, whatever `training.start_from` says: the "
    "reference of the nights that follow.",
)

nightly_train = dg.define_asset_job(
    "nightly_train",
    THE_LINE,
    config=CADENCES["nightly_train"],
    description="The line with a model that is trained on from the champion, in a fifth of the steps; from scratch "
    "where that cannot be, with the reason.",
)

refresh = dg.define_asset_job(
    "refresh",
    dg.AssetSelection.assets("raw_events", "raw_items", "events", "items", "sequences")
    | dg.AssetSelection.groups("content")
    | dg.AssetSelection.assets("new_item_vectors", "user_item_vectors", "endpoint"),
    description="New events and items to the running endpoint without training: what people did is read by the next "
    "request, and new items are served by their content.",
)

ranking = dg.define_asset_job(
    "ranking",
    dg.AssetSelection.assets("ranking_set", "ranker_model", "ranker_evaluation"),
    description="Trains the model that ranks what is shown, and evaluates it; no part of the line yet.",
)

argus = dg.define_asset_job(
    "argus",
    dg.AssetSelection.assets("ranking_set", "argus_backbone", "user_item_towers", "argus_evaluation"),
    description="Trains ARGUS on everything that happened and its two towers on what was shown, and evaluates both.",
)

tuning = dg.define_asset_job(
    "tuning",
    SEARCH | dg.AssetSelection.assets("training_set"),
    description="Searches what `training.search.space` names, on a new training set; training takes it up where the "
    "profile says `use_tuned`.",
)

scaling = dg.define_asset_job(
    "scaling",
    dg.AssetSelection.assets("training_set", "scaling_law"),
    description="Trains backbones of several sizes on shares of a new training set, and says what a larger one would "
    "bring; takes hours on a large log, and goes on where it was ended.",
)


class RollbackConfig(dg.Config):
    """Why the previous champion is put back."""

    reason: str = "asked for by a person"


@dg.op
def put_previous_champion_back(
    context: dg.OpExecutionContext,
    config: RollbackConfig,
    lake: LakeResource,
    endpoint: dg.ResourceParam[EndpointSettings],
    ray: RayResource,
) -> None:
    """Records the rollback, then deploys the champion that results."""
    tables = lake.open()
    releases = releases_of(tables)
    version = releases.rollback(config.reason)
    context.log.info(f"{version} is champion again; deploying it")
    context.log_event(dg.AssetMaterialization("release", metadata=release_metadata(tables, version, config.reason)))
    try:
        status = deploy_champion(tables, lake.profile, endpoint, ray.dashboard)
    except Exception as error:
        # Rolling back once more would go one champion further, so say what to do instead.
        raise dg.Failure(
            f"{version} is champion again, but the endpoint does not serve it yet ({error}): materialize 'endpoint'",
            allow_retries=False,
        ) from error
    context.log.info(f"the endpoint serves {status.version}")
    context.log_event(dg.AssetMaterialization("endpoint", metadata=endpoint_metadata(tables, endpoint, status)))


@dg.job(
    executor_def=turns.executor(None),
    description="Puts the previous champion back: in the release log, then at the endpoint; waits for no run.",
)
def rollback() -> None:
    put_previous_champion_back()
