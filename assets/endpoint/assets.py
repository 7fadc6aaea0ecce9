"""The asset `endpoint`: the champion, answering requests."""

import dagster as dg

from assets.data_version import data_version
from assets.endpoint.page import endpoint_metadata
from assets.endpoint.rollout import champion_release, deploy_champion
from assets.resources import NO_CONFIG, LakeResource, RayResource
from serving.settings import EndpointSettings


@dg.asset(
    deps=["release", "sequences", "items", "new_item_vectors", "user_item_vectors"],
    group_name="serving",
    kinds={"rayserve", "fastapi"},
    owners=["team:serving"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    description="The champion behind HTTP, with the newest histories and catalogue, and the items that came after it "
    "was trained. A new champion is loaded beside the old one and replaces it between two requests; one that does not "
    "load fails here and is champion no more, and the old one goes on.",
)
def endpoint(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    endpoint: dg.ResourceParam[EndpointSettings],
    ray: RayResource,
) -> dg.MaterializeResult[None]:
    tables = lake.open()
    status = deploy_champion(tables, lake.profile, endpoint, ray.dashboard)
    context.log.info(f"endpoint: {status.version} ({status.family}) answers at {endpoint.base_url}")
    return dg.MaterializeResult(
        metadata=endpoint_metadata(tables, endpoint, status),
        data_version=data_version(context, endpoint, champion_release(tables, lake.profile).fingerprint),
    )
