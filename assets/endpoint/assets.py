"""The asset `endpoint`: the champion, answering requests."""

import dagster as dg

from assets.endpoint.example import ask_for_example, example_table
from assets.endpoint.rollout import deploy_champion, positive_actions
from assets.metadata import markdown_table
from assets.resources import EndpointResource, LakeResource, RayResource
from serving.client import EndpointClient


@dg.asset(
    deps=["release"],
    group_name="serving",
    kinds={"rayserve", "fastapi"},
    owners=["team:serving"],
    code_version="1",
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="The champion behind HTTP, with the newest histories and catalogue. A new champion is loaded beside "
    "the old one and replaces it between two requests; one that does not load fails here, and the old one goes on.",
)
def endpoint(
    context: dg.AssetExecutionContext, lake: LakeResource, endpoint: EndpointResource, ray: RayResource
) -> dg.MaterializeResult[None]:
    tables, settings = lake.open(), endpoint
    status = deploy_champion(tables, lake.profile, settings, ray.dashboard)
    version = str(status.version)
    context.log.info(f"endpoint: {version} answers at {settings.base_url}")
    with EndpointClient(settings.base_url, settings.client_timeout_s) as client:
        example = example_table(ask_for_example(tables, client, positive_actions(tables, version)))
    return dg.MaterializeResult(
        metadata={
            "url": dg.MetadataValue.url(settings.base_url),
            "docs": dg.MetadataValue.url(f"{settings.base_url}/docs"),
            "version": version,
            "data_cutoff": str(status.data_cutoff),
            "items": status.items,
            "users": status.users,
            "load_seconds": status.load_seconds,
            "example": dg.MetadataValue.md(
                markdown_table(example.rename({example.columns[0]: "a user liked (newest first)"}))
            ),
        }
    )
