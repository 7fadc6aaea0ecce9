"""The law of scaling as an asset, in processes of its own, of which one is killed while it sweeps."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from storage.lake import Lake
from storage.schema import SCALING_TABLE
from tests.assets.scaling.worlds import SCALING, write_world

TRIALS = 2 * len(SCALING.sizes)


def begin(root: Path) -> "subprocess.Popen[str]":
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GENREC_", "DAGSTER_", "RAY_"))}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.assets.scaling.worlds", str(root)],
        env=clean,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.cluster
def test_a_sweep_that_was_killed_goes_on_and_says_what_a_larger_backbone_would_bring(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    write_world(lake)
    with begin(tmp_path) as killed:
        end = time.monotonic() + 120
        while len(done := list(tmp_path.rglob("trials/[!.]*.npz"))) < 3:
            assert killed.poll() is None, killed.communicate()[0]
            assert time.monotonic() < end
            time.sleep(0.02)
        killed.kill()
    written = {path.name: path.read_bytes() for path in done}

    with begin(tmp_path) as again:
        output, _ = again.communicate(timeout=200)
    assert again.returncode == 0, output
    # One more may have ended before the process was dead.
    assert any(f"goes on with {some} of {TRIALS} trials done" in output for some in range(3, 6)), output
    trained = {line.split("head_dim-")[1].split(":")[0] for line in output.splitlines() if "head_dim-" in line}
    assert len(trained) < TRIALS - 1
    assert not trained & {name.removesuffix(".npz").removeprefix("head_dim-") for name in written}
    told = json.loads(output.splitlines()[-1])
    assert told["recommendation"].startswith("The next 10x of compute")
    assert "2x the users bought" in told["recommendation"]
    assert told["ceiling_low"] <= told["ceiling"] <= told["ceiling_high"]
    assert told["check"][:2] == ["foretells_the_largest_size", True]
    assert "data:image/png" in told["laws"]
    table = lake.scan(SCALING_TABLE).collect()
    assert table.height == told["dagster/row_count"] == TRIALS
    assert table.filter(pl.col("fraction") == 1)["parameters"].n_unique() == len(SCALING.sizes)
    assert table["epochs"].to_list() == [12] * 5 + [24] * 5, "a share has as many steps"
    assert not list(tmp_path.rglob("trials")), "a sweep that is done is in the table"
