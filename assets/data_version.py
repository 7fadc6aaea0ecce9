"""The version of what an asset makes: equal versions stand for equal data, so the UI calls stale what is not."""

import hashlib
import json

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from pydantic import BaseModel

from assets.code_version import code_version


def data_version(context: dg.AssetExecutionContext, *parts: object) -> dg.DataVersion:
    """Made of the code, of the versions that the asset's inputs have now, and of `parts`.

    Args:
        context: Of the asset that is being made.
        parts: The settings that count in this run, and whatever else its result depends on.
    """
    inputs = context.assets_def.asset_deps[context.asset_key]
    read = {key.to_user_string(): _newest(context.instance, key) for key in inputs}
    return dg.DataVersion(digest(code_version(), read, *parts))


def digest(*parts: object) -> str:
    """A short text that differs where anything in `parts` does; models count with all their fields."""
    return hashlib.blake2b(json.dumps(parts, sort_keys=True, default=_plain).encode(), digest_size=16).hexdigest()


def _newest(instance: dg.DagsterInstance, key: dg.AssetKey) -> str:
    event = instance.get_latest_materialization_event(key)
    materialization = event.asset_materialization if event else None
    return (materialization.tags or {}).get(DATA_VERSION_TAG, "") if materialization else ""


def _plain(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)
