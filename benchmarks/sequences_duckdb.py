"""The job of `genrec bench sequences` in DuckDB SQL, without validation; runs where only DuckDB is installed.

`python sequences_duckdb.py '{"events": [FILES], "items": [FILES], "actions": [NAMES], "out": FILE, "cpus": 2}'` prints
seconds and peak memory as one line of JSON.
"""

import json
import resource
import sys
from time import perf_counter

import duckdb

JOB = """
copy (
    with raw as (
        select *, row_number() over () as arrival from read_parquet($events)
    ),
    good as (
        select * from raw
        where user_id is not null and item_id is not null and timestamp is not null and list_contains($actions, action)
          and timestamp between 788918400000 and $latest
          and item_id in (select item_id from read_parquet($items))
    ),
    distinct_events as (
        select user_id, item_id, timestamp, action, any_value(value) as value, any_value(surface) as surface,
               any_value(request_id) as request_id, min(arrival) as arrival
        from good group by user_id, item_id, timestamp, action
    ),
    interactions as (
        select user_id, item_id, max(timestamp) as timestamp,
               bit_or(1 << (list_position($actions, action) - 1)) as actions, max(value) as value,
               arg_min(surface, arrival) as surface, min(arrival) as arrival
        from distinct_events group by user_id, item_id, coalesce(request_id, timestamp::varchar)
    )
    select user_id,
           list(item_id order by timestamp, arrival) as item_ids,
           list(timestamp order by timestamp, arrival) as timestamps,
           list(actions order by timestamp, arrival) as actions,
           list(value order by timestamp, arrival) as values,
           list(surface order by timestamp, arrival) as surfaces
    from interactions group by user_id
) to '{out}' (format parquet, compression zstd)
"""


def main() -> None:
    job = json.loads(sys.argv[1])
    connection = duckdb.connect()
    connection.execute(f"set threads = {job['cpus']}")
    started = perf_counter()
    parameters = {name: job[name] for name in ("events", "items", "actions", "latest")}
    connection.execute(JOB.replace("{out}", job["out"]), parameters)
    seconds = perf_counter() - started
    print(json.dumps({"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
