"""A line of two made-up assets on a real Dagster instance, as a script of its own that may be ended at any moment.

Variables of the environment say what happens in it. At TEST_MOMENT (`import`, `stage` or `after`) it writes the file
TEST_REACHED and waits for a signal, which TEST_LIBRARY takes in its way; TEST_DIES and TEST_FAILS are what becomes of
the stages; TEST_DAYS and TEST_SELECT are what is asked for.
"""

import sys
from pathlib import Path

SCRIPT = """
import atexit, os, signal, sys, time
if "TEST_REACHED" in os.environ:  # A signal is to end it, which leaves the interpreter no time.
    atexit.register(os.abort)
from orchestration.error_messages import errors_as_sentences

def at(moment):
    if os.environ.get("TEST_MOMENT") == moment:
        work(os.environ.get("TEST_LIBRARY"))

def work(library):
    if library == "has a handler":
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))
    try:
        open(os.environ["TEST_REACHED"], "w").close()
        time.sleep(60)
    except BaseException:
        if library == "goes on":
            work(library)
        elif library == "turns it into its own":
            raise ValueError("callback failed") from None
        elif library != "swallows":
            raise

with errors_as_sentences(float(os.environ.get("TEST_PATIENCE", 60))):
    at("import")
    import dagster as dg
    from datetime import date
    from orchestration import environment
    from orchestration.profile import load_profile

    profile = load_profile(sys.argv[1])
    environment.apply(profile)
    from assets.partitions import daily
    import orchestration.definitions as definitions
    from orchestration import runs, turns
    from orchestration.resources import build_resources

    one_run = dg.BackfillPolicy.single_run()

    @dg.asset(partitions_def=daily, backfill_policy=one_run)
    def days(context):
        print("a library talks")
        context.log.info("2 of 3 done")
        if os.environ.get("TEST_DIES"):
            os.kill(os.getpid(), 9)
        at("stage")
        return dg.MaterializeResult(metadata={"dagster/row_count": len(context.partition_keys)})

    @dg.asset(deps=[days], backfill_policy=one_run, check_specs=[dg.AssetCheckSpec("full", asset="total")])
    def total(lake: dg.ResourceParam[object]):
        if os.environ.get("TEST_FAILS"):
            raise ValueError("file x is broken: repair it") from OSError("a library's words")
        if "TEST_REACHED" in os.environ:
            open(os.environ["TEST_REACHED"] + "-next", "w").close()
        warning = dg.AssetCheckSeverity.WARN
        return dg.MaterializeResult(
            check_results=[dg.AssetCheckResult(passed=False, severity=warning, description="3 [b] of 7")]
        )

    definitions.defs = lambda: dg.Definitions(
        [days, total],
        jobs=[dg.define_asset_job("line", dg.AssetSelection.all())],
        executor=turns.executor(environment.run_lock(profile)),
        resources={"lake": build_resources(profile)["lake"]},
    )
    given = [date.fromisoformat(day) for day in os.environ.get("TEST_DAYS", "").split(":") if day]
    runs.materialize(profile, tuple(given) or None, os.environ.get("TEST_SELECT"))
    at("after")
"""


def write_line(folder: Path) -> None:
    """The script and the profile `shop`, of three days."""
    (folder / "line.py").write_text(SCRIPT)
    (folder / "shop.yaml").write_text(
        "{first_day: 2026-01-01, last_day: 2026-01-04, source: {kind: demo_world}, "
        "training: {positive_actions: [click]}}"
    )


def command(folder: Path, profile: str = "shop") -> list[str]:
    return [sys.executable, "-W", "ignore", str(folder / "line.py"), str(folder / f"{profile}.yaml")]
