"""The resources of every asset, built from a profile."""

import dagster as dg

from assets.resources import (
    ContentResource,
    EndpointResource,
    EvaluationResource,
    GateResource,
    LakeResource,
    QualityResource,
    RayResource,
    RetentionResource,
    SourceResource,
    TrainingResource,
)
from orchestration.environment import state_folder
from orchestration.profile import Profile


def build_resources(profile: Profile) -> dict[str, dg.ConfigurableResource]:  # type: ignore[type-arg]
    """One resource for each name that an asset may ask for."""
    ray = profile.ray
    return {
        "lake": LakeResource(
            root=profile.lake_root,
            storage_options=profile.lake.storage_options,
            artifacts=profile.artifacts_root,
            profile=profile.name,
            id_type=profile.id_type,
            user_buckets=profile.lake.user_buckets,
            rows_in_memory=profile.lake.rows_in_memory,
            engine=profile.lake.engine,
            ray_address=ray.gcs_address,
        ),
        "source": SourceResource(
            settings=profile.source,
            landing=str(state_folder(profile.name) / "landing"),
            first_day=profile.start().isoformat(),
        ),
        "quality": QualityResource(settings=profile.quality),
        "content": ContentResource(settings=profile.content),
        "training": TrainingResource(settings=profile.training),
        "evaluation": EvaluationResource(settings=profile.evaluation),
        "gate": GateResource(settings=profile.release),
        "endpoint": EndpointResource(settings=profile.endpoint),
        "retention": RetentionResource(settings=profile.retention),
        "ray": RayResource(
            mode="inline" if ray.mode == "inline" else "attach", address=ray.gcs_address, dashboard=ray.dashboard_url
        ),
    }
