"""Great Expectations judges what Polars counts; the results as asset checks and as pages."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.validation.checks import check_result, check_specs, refusal
from assets.validation.counting import EXAMPLES, count
from assets.validation.data_docs import self_contained, write_data_docs
from assets.validation.expectation import (
    Expectation,
    between,
    not_null,
    one_of,
    unique_neighbours,
    unique_together,
    with_overrides,
)
from assets.validation.settings import QualitySettings
from assets.validation.validation import ExpectationResult, Validation, validate
from orchestration.suites import suites

ROWS = pl.DataFrame(
    {"user": ["a", None, "b", "b"], "action": ["view", "view", "zap", "zap"], "value": [0.5, 2.0, None, -1.0]}
)
DAYS = pl.DataFrame({"period": ["2026-01-01", "2026-01-02"], "share": [0.01, 0.5]})

SUITE = [
    not_null("user", "has a user"),
    one_of("action", ["view", "click"], "known action"),
    between("value", 0.0, 1.0, "a share", severity="warn"),
    between("value", None, 2.0, "no more than two"),
    unique_together(("user", "action"), "once"),
    between("share", 0.0, 0.1, "few", batch="days"),
]


@pytest.fixture(scope="module")
def validation() -> Validation:
    return validate("events", {"rows": ROWS, "days": DAYS}, SUITE[:3] + SUITE[4:])


def by_column(validation: Validation) -> dict[str, ExpectationResult]:
    return {"_".join(r.expectation.columns): r for r in validation.results}


def test_violations_are_counted_and_shown(validation: Validation) -> None:
    results = by_column(validation)
    counts = {name: (r.passed, r.unexpected, r.rows) for name, r in results.items()}
    assert counts == {
        "user": (False, 1, 4),
        "action": (False, 2, 4),
        "value": (False, 2, 4),
        "user_action": (False, 2, 4),
        "share": (False, 1, 2),
    }
    assert results["value"].examples["value"].to_list() == [2.0, -1.0]
    assert results["share"].examples["period"].to_list() == ["2026-01-02"]
    assert [r.expectation.columns for r in validation.blocking] == [
        ("user",),
        ("action",),
        ("user", "action"),
        ("share",),
    ]


def test_good_rows_pass() -> None:
    good = pl.DataFrame({"user": ["a", "b"], "action": ["view", "click"], "value": [0.5, None]})
    results = validate(
        "events",
        {"rows": good},
        [e for e in SUITE if e.batch == "rows" and e is not SUITE[2]],
    )
    assert [r.passed for r in results.results] == [True] * 4
    assert results.blocking == []


def test_one_bad_row_of_many_is_found_and_great_expectations_says_so() -> None:
    rows = pl.LazyFrame({"user": ["a"] * 99_999 + [None]})
    result = validate("events", {"rows": rows}, [SUITE[0]])
    only = result.results[0]
    assert (only.passed, only.unexpected, only.rows) == (False, 1, 100_000)
    assert only.unexpected_percent == pytest.approx(0.001)
    told = result.report.results[0]
    assert not told.success
    assert (told.result["element_count"], told.result["unexpected_count"]) == (100_000, 1)
    assert told.expectation_config.severity == "critical"


COLUMN = {"user": st.sampled_from(["a", "b", None]), "action": st.sampled_from(["view", "zap", None])}
BATCH = st.lists(st.fixed_dictionaries(COLUMN | {"value": st.sampled_from([-1.0, 0.5, 2.0, 3.0, None])}), max_size=12)


@settings(max_examples=20, deadline=None)
@given(BATCH)
def test_verdicts_are_those_of_great_expectations_on_pandas(rows: list[dict[str, Any]]) -> None:
    frame = pl.DataFrame(rows, schema={"user": pl.String, "action": pl.String, "value": pl.Float64})
    suite = SUITE[:3] + SUITE[4:5]
    ours = validate("events", {"rows": frame.lazy()}, suite).report.results
    for expectation, verdict, theirs in zip(suite, ours, on_pandas(frame, suite), strict=True):
        assert verdict.success == theirs.success, expectation
        keys = set(verdict.result) & set(theirs.result) - {"partial_unexpected_list"}
        assert {"element_count", "unexpected_count", "unexpected_percent"} <= keys
        assert {k: verdict.result[k] for k in keys} == {k: theirs.result[k] for k in keys}, expectation


def on_pandas(frame: pl.DataFrame, suite: list[Expectation]) -> list[Any]:
    """The same suite judged by Great Expectations' own pandas engine."""
    from great_expectations.expectations.registry import get_expectation_impl

    batch = pandas_frames().get_batch(batch_parameters={"dataframe": frame.to_pandas()})
    rules: list[Any] = [get_expectation_impl(e.type) for e in suite]
    return [batch.validate(rule(**e.arguments), result_format="BASIC") for rule, e in zip(rules, suite, strict=True)]


@cache
def pandas_frames() -> Any:
    import great_expectations as gx

    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["x", "y", None]), st.integers(0, 1)), max_size=30),
    st.integers(1, 7),
)
def test_repeated_neighbours_are_all_repetitions_of_a_sorted_table(rows: list[tuple], files: int) -> None:
    frame = pl.DataFrame(
        sorted(rows, key=str), schema={"user": pl.Int64, "item": pl.String, "day": pl.Int64}, orient="row"
    )
    parts = [
        frame.slice(at, -(-frame.height // files)) for at in range(0, frame.height, max(1, -(-frame.height // files)))
    ]
    # parts as of one file each, so that repetitions also lie across the ends of files
    batch = pl.concat([part.lazy() for part in parts]) if parts else frame.lazy()
    (counts,) = count(batch, [unique_neighbours(("user", "item"), "day", "once")]).values()
    assert counts.error is None
    assert counts.unexpected == frame.height - frame.n_unique()
    assert counts.examples.height == min(EXAMPLES, counts.unexpected)


def test_repetitions_are_found_across_the_ends_of_files_and_row_groups(tmp_path: Path) -> None:
    # whatever way the engine cuts 200 000 rows, the pairs around every cut are seen
    users = pl.Series("user", range(100_000)).repeat_by(2).explode()
    frame = pl.DataFrame({"user": users, "day": 1})
    for part, rows in enumerate(frame.iter_slices(33_333)):
        rows.write_parquet(tmp_path / f"{part}.parquet", row_group_size=777)
    (counts,) = count(pl.scan_parquet(tmp_path), [unique_neighbours(("user",), "day", "once")]).values()
    assert (counts.rows, counts.unexpected) == (200_000, 100_000)
    assert counts.examples["user"].to_list() == [0, 1, 2, 3, 4]


def test_rows_without_any_value_and_rows_of_other_days_repeat_nothing() -> None:
    frame = pl.LazyFrame(
        {"user": [None, None, "a", "a", "a"], "day": [1, 1, 1, 1, 2]}, schema_overrides={"day": pl.Int8}
    )
    (counts,) = count(frame, [unique_neighbours(("user",), "day", "once")]).values()
    assert (counts.rows, counts.ignored, counts.unexpected) == (5, 2, 1)


def test_an_expectation_that_does_not_fit_spoils_no_other() -> None:
    results = validate("events", {"rows": ROWS.lazy()}, [between("user", 0, 1, "a number"), SUITE[0]]).results
    assert results[0].error
    assert (results[1].error, results[1].unexpected) == (None, 1)


def test_checks_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two checks 'value_in_range'"):
        validate("events", {"rows": ROWS}, SUITE[2:4])


def test_a_batch_without_rows_passes() -> None:
    results = validate("events", {"rows": ROWS.clear().lazy(), "days": DAYS}, SUITE[:3] + SUITE[4:]).results
    assert [r.passed for r in results] == [True] * 4 + [False]


def test_a_day_is_shown_with_the_value_that_was_judged() -> None:
    ratio = between("share", 0.0, 0.6, "few", batch="days", unknown="no trailing week yet")
    seen = [
        validate("events", {"days": DAYS.with_columns(share=share)}, [ratio]).results[0]
        for share in (pl.col("share"), pl.lit(0.25), pl.lit(None, pl.Float64))
    ]
    assert [result.observed for result in seen] == [(0.01, 0.5), (0.25, 0.25), None]
    numbers = [{k: v.value for k, v in check_result(r).metadata.items() if k.startswith("observed")} for r in seen]
    assert numbers == [{"observed_min": 0.01, "observed_max": 0.5}, {"observed_value": 0.25}, {}]
    assert "no trailing week yet" in str(check_result(seen[2]).description)
    assert all(result.passed for result in seen)


def test_what_could_not_be_judged_fails_and_blocks() -> None:
    results = validate("events", {"rows": ROWS}, [between("absent", 0, 1, "never", severity="warn")])
    only = results.results[0]
    assert not only.passed
    assert only.blocks
    assert "absent" in (only.error or "")
    check = check_result(only)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "could not be judged" in (check.description or "")


def test_results_become_asset_checks(validation: Validation) -> None:
    user, _, value, *_ = [check_result(r) for r in validation.results]
    assert user.check_name == "user_not_null"
    assert (user.passed, user.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert (value.passed, value.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert user.metadata["unexpected_count"].value == 1
    assert user.metadata["unexpected_percent"].value == 25.0
    assert "| None | view | 2 |" in str(user.metadata["examples"].value)


def test_specs_are_known_without_a_run() -> None:
    specs = {spec.name: spec for spec in check_specs("events", SUITE[:3])}
    assert list(specs) == [e.name for e in SUITE[:3]]
    assert specs["user_not_null"].blocking
    assert not specs["value_in_range"].blocking


def test_severity_overrides_name_table_and_check() -> None:
    name = "user_not_null"
    assert with_overrides(SUITE[:2], "events", {f"events.{name}": "warn"})[0].severity == "warn"
    assert with_overrides(SUITE[:2], "events", {f"items.{name}": "warn"})[0].severity == "block"
    with pytest.raises(ValueError, match=r"table 'events' has no check 'typo'; it has user_not_null"):
        with_overrides(SUITE, "events", {"events.typo": "warn"})


def test_a_former_name_is_refused_with_the_name_of_now() -> None:
    former = "events.expect_column_values_to_not_be_null__user"
    with pytest.raises(ValueError, match=rf"{former} is called events\.user_not_null now"):
        with_overrides(SUITE, "events", {former: "warn"})


def test_names_of_checks_are_for_people() -> None:
    for asset, suite in suites(QualitySettings()).items():
        names = [expectation.name for expectation in suite]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) and "expect" not in name for name in names), asset


def test_a_severity_of_no_asset_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"evnts\.no_duplicates is no '<asset>\.<check>' of events, items, sequences, endpoint"
    ):
        suites(QualitySettings(severity={"evnts.no_duplicates": "warn"}))


def test_the_refusal_is_one_sentence_with_the_numbers(validation: Validation) -> None:
    reasons = pl.DataFrame(
        {"reason": ["duplicate", "null_key"], "rows": [7, 2], "at_fault": ["", "Kunde"], "meaning": ["twice", "empty"]}
    )
    text = refusal("events", validation.blocking[-1:], reasons)
    assert text == (
        "events not published, the table is as it was before: expect_column_values_to_be_between(column='share', "
        "min_value=0.0, max_value=0.1) is broken by 1 of 2 days, observed 0.01 to 0.5; put aside: 7 duplicate (twice), "
        "2 null_key (in Kunde: empty)"
    )


def test_data_docs_hold_the_results_and_load_nothing(validation: Validation, tmp_path: Path) -> None:
    page = write_data_docs(tmp_path / "events", "2026-01-01", validation.report)
    text = page.read_text()
    assert "must belong to this set" in text
    assert "zap" in text
    assert "newsletter" not in text
    assert remote(text) == []
    index = (tmp_path / "events" / "index.html").read_text()
    assert 'href="2026-01-01.html"' in index
    assert remote(index) == []
    assert sorted(p.name for p in (tmp_path / "events").iterdir()) == ["2026-01-01.html", "index.html"]


def test_data_docs_tell_what_passed_what_failed_and_what_could_not_be_told(tmp_path: Path) -> None:
    days = DAYS.with_columns(ratio=pl.lit(None, pl.Float64))
    suite = [
        between("share", 0.0, 0.9, "few", batch="days", name="passes"),
        between("share", 0.0, 0.1, "few", batch="days", name="fails"),
        between(
            "ratio", 0.3, 3.0, "like its week", batch="days", unknown="no trailing week yet", name="nothing_to_judge"
        ),
        between("absent", 0.0, 0.1, "few", batch="days", name="no_such_column"),
    ]
    validation = validate("events", {"days": days}, suite)
    text = write_data_docs(tmp_path / "events", "2026-01-01", validation.report).read_text()
    assert "<title>events 2026-01-01</title>" in text
    rows = {
        row.split("fas ", 1)[1].split('"', 1)[0]: row for row in text.split("<tr>") if "fas " in row and "<td" in row
    }
    assert rows.keys() == {
        "fa-check-circle text-success",
        "fa-times text-danger",
        "fa-minus",
        "fa-exclamation-triangle text-warning",
    }
    assert "not measured: no trailing week yet" in rows["fa-minus"]
    assert "unable to find column" in rows["fa-exclamation-triangle text-warning"]


def test_whatever_a_page_fetches_is_taken_out() -> None:
    page = (
        "<html><head><link href='https://a/x.css'><script src='https://b/y.js'></script></head><body>"
        "<img src='https://c/z.png?d=1'><style>p { background: url(https://d/e.png) }</style>"
        "<a href='https://f/'>newsletter</a><a href='#down'>down</a></body></html>"
    )
    assert len(remote(page)) == 5
    page += "<i onclick='run()' title=\"a\" ONLOAD=\"run()\">on time='x'</i>"
    stripped = self_contained(page)
    assert stripped.endswith("<i title=\"a\">on time='x'</i>")
    assert remote(stripped) == []
    assert "newsletter" in stripped
    assert "<a href='#down'>down</a>" in stripped


def remote(page: str) -> list[Any]:
    return re.findall(r"https?://|(?:src|href)=['\"]//", page)


def test_an_expectation_reads_as_a_call() -> None:
    example: Expectation = between("value", 0.0, 1.0, "a share")
    assert example.call == "expect_column_values_to_be_between(column='value', min_value=0.0, max_value=1.0)"
