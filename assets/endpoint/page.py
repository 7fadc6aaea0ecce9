"""What the page of the asset `endpoint` shows, whoever deployed."""

from typing import Any

import dagster as dg

from assets.endpoint.example import ask_for_example, example_table
from assets.endpoint.rollout import positive_actions
from assets.metadata import markdown_table
from serving.client import EndpointClient
from serving.schema import EndpointStatus
from serving.settings import EndpointSettings
from storage.lake import Lake


def endpoint_metadata(lake: Lake, endpoint: EndpointSettings, status: EndpointStatus) -> dict[str, Any]:
    """Metadata of a materialization: where it answers, what it serves, and its answer for one user."""
    with EndpointClient(endpoint.base_url, endpoint.client_timeout_s) as client:
        example = example_table(ask_for_example(lake, client, positive_actions(lake, str(status.version))))
    liked = example.rename({example.columns[0]: "a user liked (newest first)"})
    return {
        "url": dg.MetadataValue.url(endpoint.base_url),
        "docs": dg.MetadataValue.url(f"{endpoint.base_url}/docs"),
        "version": str(status.version),
        "family": str(status.family),
        "data_cutoff": str(status.data_cutoff),
        "items": status.items,
        "new_items": status.new_items,
        "users": status.users,
        "load_seconds": status.load_seconds,
        "example": dg.MetadataValue.md(markdown_table(liked)),
    }
