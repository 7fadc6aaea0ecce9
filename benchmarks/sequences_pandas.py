"""The job of `genrec bench sequences` as it is written today: pandas, and Great Expectations on the frame.

`python -m benchmarks.sequences_pandas '{"events": [FILES], "items": [FILES], "actions": [NAMES], "out": FILE}'` prints
seconds and peak memory as one line of JSON.
"""

import json
import resource
import sys
from time import perf_counter
from typing import Any

import great_expectations as gx
import great_expectations.expectations as expectations
import pandas as pd

KEYS = ["user_id", "item_id", "timestamp", "action"]


def main() -> None:
    job = json.loads(sys.argv[1])
    started = perf_counter()
    events = pd.concat([pd.read_parquet(path) for path in job["events"]], ignore_index=True)
    good = _good(events, job)
    _validate(good, job)
    users = _lists(_interactions(good, job["actions"]))
    users.to_parquet(job["out"], compression="zstd")
    seconds = perf_counter() - started
    print(json.dumps({"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def _good(events: pd.DataFrame, job: dict[str, Any]) -> pd.DataFrame:
    items = pd.concat([pd.read_parquet(path, columns=["item_id"]) for path in job["items"]])["item_id"]
    kept = (
        events[KEYS].notna().all(axis=1)
        & events["action"].isin(job["actions"])
        & events["timestamp"].between(788918400000, job["latest"])
        & events["item_id"].isin(items)
    )
    return events[kept].drop_duplicates(KEYS)


def _validate(events: pd.DataFrame, job: dict[str, Any]) -> None:
    expect: Any = expectations
    suite = gx.ExpectationSuite(
        "events",
        expectations=[
            *(expect.ExpectColumnValuesToNotBeNull(column=column) for column in KEYS),
            expect.ExpectColumnValuesToBeBetween(column="timestamp", min_value=788918400000, max_value=job["latest"]),
            expect.ExpectColumnValuesToBeInSet(column="action", value_set=job["actions"]),
            expect.ExpectCompoundColumnsToBeUnique(column_list=KEYS),
            expect.ExpectColumnValuesToBeBetween(column="value", min_value=0.0, max_value=1e6),
            expect.ExpectTableRowCountToBeBetween(min_value=1),
        ],
    )
    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("events")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch(batch_parameters={"dataframe": events})
    if not batch.validate(suite).success:
        raise SystemExit("the events do not meet the expectations")


def _interactions(events: pd.DataFrame, actions: list[str]) -> pd.DataFrame:
    request_group = events["request_id"].fillna(events["timestamp"].astype(str))
    there = [action for action in actions if (events["action"] == action).any()]
    flags = {action: events["action"] == action for action in there}
    wide = events[["user_id", "item_id", "timestamp", "value", "surface"]].assign(request_group=request_group, **flags)
    how = {"timestamp": "max", "value": "max", "surface": "first"} | dict.fromkeys(there, "max")
    merged = wide.groupby(["user_id", "item_id", "request_group"], sort=False).agg(how).reset_index()
    merged["actions"] = sum(merged[action].astype("int32") * (1 << actions.index(action)) for action in there)
    return merged


def _lists(interactions: pd.DataFrame) -> pd.DataFrame:
    ordered = interactions.sort_values(["user_id", "timestamp"], kind="stable")
    columns = {"item_id": "item_ids", "timestamp": "timestamps", "actions": "actions", "value": "values"}
    columns["surface"] = "surfaces"
    return ordered.groupby("user_id", sort=False)[list(columns)].agg(list).rename(columns=columns).reset_index()


if __name__ == "__main__":
    main()
