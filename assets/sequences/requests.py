"""Whether `request_id` tells requests apart: in many logs it is a counter that starts over, or a constant."""

from datetime import timedelta

import numpy as np
import polars as pl

from assets.validation.expectation import Expectation, between, with_overrides
from assets.validation.settings import QualitySettings
from models.columns import BUCKET
from storage.lake import Lake
from storage.sequence_store import BUCKETS_FOLDER, FILE, SEQUENCES_TABLE, BucketSequences, read_bucket

REQUESTS = "requests"
REUSED_SHARE = "reused_request_share"

USERS_LOOKED_AT = 1000
"""Buckets are runs of a user's hash, so any bucket's first users are as good a sample as others."""


def request_expectations(rules: QualitySettings) -> list[Expectation]:
    """The suite on what tells the interactions of a sequence apart."""
    suite = [
        between(
            REUSED_SHARE,
            0,
            rules.max_reused_request_share,
            "A request_id names one request of a user, and does not come back hours or days later as a counter does "
            "that starts over",
            "warn",
            "versions",
            remedy="what is mapped to request_id is a counter that starts over, or a constant, and no request id; map "
            "another column or none (source.events.columns), or raise quality.request_gap if such actions belong "
            "together",
        )
    ]
    return with_overrides(suite, SEQUENCES_TABLE, rules.severity)


def measure_requests(lake: Lake, ledger: pl.DataFrame, gap: timedelta) -> pl.DataFrame:
    """How many of some users' requests go on after a pause, in one row.

    Columns:
        requests: Pairs of user and request that were looked at.
        reused_request_share: Of them, with a pause longer than `gap`; 0 where there are none.

    Args:
        ledger: Of the version of the sequences (`storage.sequence_ledger`).
    """
    users = requests = reused = 0
    for file in ledger.sort(BUCKET)[FILE]:
        bucket = read_bucket(f"{lake.root.rstrip('/')}/{BUCKETS_FOLDER}/{file}", lake.options)
        found = _paused(bucket, USERS_LOOKED_AT - users, gap)
        users, requests, reused = users + len(bucket), requests + len(found), reused + int(found.sum())
        if users >= USERS_LOOKED_AT:
            break
    return pl.DataFrame({REQUESTS: requests, REUSED_SHARE: reused / max(1, requests)})


def _paused(bucket: BucketSequences, users: int, gap: timedelta) -> pl.Series:
    """Of each request of the first users, whether it goes on after a pause longer than `gap`."""
    end = int(bucket.offsets[min(users, len(bucket))])
    request = ("user", "request_group")
    pause = pl.col("started") - pl.col("timestamp").cum_max().shift(1).over(request)
    rows = pl.DataFrame(
        {"user": np.repeat(np.arange(len(bucket)), bucket.lengths)[:end]}
        | {name: bucket.columns[name][:end] for name in ("request_group", "started", "timestamp")}
    )
    return (
        rows.filter(pl.col("request_group") != pl.col("timestamp"))  # without a request, its moment stands for it
        .sort("started")
        .with_columns((pause > gap // timedelta(milliseconds=1)).fill_null(False).alias("paused"))
        .group_by(request)
        .agg(pl.col("paused").any())["paused"]
    )
