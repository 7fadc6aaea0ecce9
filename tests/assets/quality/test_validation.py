"""Great Expectations and the exact count in Polars, together; their results as asset checks and as pages."""

import re
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets.quality.checks import check_result, check_specs, refusal
from assets.quality.data_docs import self_contained, write_data_docs
from assets.quality.expectation import Expectation, between, not_null, one_of, unique_together, with_overrides
from assets.quality.validation import ExpectationResult, Validation, validate

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
    return validate("events", {"rows": ROWS, "days": DAYS}, SUITE[:3] + SUITE[4:], max_rows=100)


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
    results = validate("events", {"rows": good}, [e for e in SUITE if e.batch == "rows" and e is not SUITE[2]], 100)
    assert [r.passed for r in results.results] == [True] * 4
    assert results.blocking == []


def test_what_a_sample_misses_is_counted_in_polars() -> None:
    # 1 bad row of 1000: a sample of 5 rows does not hold it, and Great Expectations alone would let it pass
    rows = pl.DataFrame({"user": ["a"] * 999 + [None]})
    result = validate("events", {"rows": rows}, [SUITE[0]], max_rows=5)
    assert result.report.results[0].success
    only = result.results[0]
    assert (only.passed, only.unexpected, only.rows, only.sampled_rows) == (False, 1, 1000, 5)
    assert only.unexpected_percent == pytest.approx(0.1)


def test_an_exception_inside_great_expectations_fails_and_blocks() -> None:
    results = validate("events", {"rows": ROWS}, [between("absent", 0, 1, "never", severity="warn")], 100)
    only = results.results[0]
    assert not only.passed
    assert only.blocks
    assert "absent" in (only.error or "")
    check = check_result(only)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "could not be judged" in (check.description or "")


def test_results_become_asset_checks(validation: Validation) -> None:
    user, _, value, *_ = [check_result(r) for r in validation.results]
    assert user.check_name == "expect_column_values_to_not_be_null__user"
    assert (user.passed, user.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert (value.passed, value.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert user.metadata["unexpected_count"].value == 1
    assert user.metadata["unexpected_percent"].value == 25.0
    assert "| None | view | 2 |" in str(user.metadata["examples"].value)


def test_specs_are_known_without_a_run() -> None:
    specs = {spec.name: spec for spec in check_specs("events", SUITE[:3])}
    assert list(specs) == [e.name for e in SUITE[:3]]
    assert specs["expect_column_values_to_not_be_null__user"].blocking
    assert not specs["expect_column_values_to_be_between__value"].blocking


def test_severity_overrides_name_table_and_check() -> None:
    name = "expect_column_values_to_not_be_null__user"
    assert with_overrides(SUITE[:2], "events", {f"events.{name}": "warn"})[0].severity == "warn"
    assert with_overrides(SUITE[:2], "events", {f"items.{name}": "warn"})[0].severity == "block"
    with pytest.raises(ValueError, match=r"table 'events' has no check 'typo'; it has expect_"):
        with_overrides(SUITE, "events", {"events.typo": "warn"})


def test_the_refusal_is_one_sentence_with_the_numbers(validation: Validation) -> None:
    reasons = pl.DataFrame({"reason": ["duplicate"], "rows": [7], "meaning": ["twice"]})
    text = refusal("events", validation.blocking[-1:], reasons)
    assert text == (
        "events not published, the table is as it was before: expect_column_values_to_be_between(column='share', "
        "min_value=0.0, max_value=0.1) is broken by 1 of 2 days; put aside: 7 duplicate (twice)"
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


def test_whatever_a_page_fetches_is_taken_out() -> None:
    page = (
        "<html><head><link href='https://a/x.css'><script src='https://b/y.js'></script></head><body>"
        "<img src='https://c/z.png?d=1'><style>p { background: url(https://d/e.png) }</style>"
        "<a href='https://f/'>newsletter</a><a href='#down'>down</a></body></html>"
    )
    assert len(remote(page)) == 5
    stripped = self_contained(page)
    assert remote(stripped) == []
    assert "newsletter" in stripped
    assert "<a href='#down'>down</a>" in stripped


def remote(page: str) -> list[Any]:
    return re.findall(r"https?://|(?:src|href)=['\"]//", page)


def test_an_expectation_reads_as_a_call() -> None:
    example: Expectation = between("value", 0.0, 1.0, "a share")
    assert example.call == "expect_column_values_to_be_between(column='value', min_value=0.0, max_value=1.0)"
