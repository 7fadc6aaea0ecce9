"""The checks of the asset `endpoint`: training/serving skew."""

from collections.abc import Iterator

import dagster as dg

from assets.endpoint.rollout import champion_release
from assets.endpoint.skew import ENDPOINT, OF_TRAINING_SET, has_training_set, measure_skew, skew_expectations
from assets.resources import LakeResource
from assets.validation.checks import check_result, check_specs
from assets.validation.settings import QualitySettings, SkewSettings
from assets.validation.validation import validate


@dg.multi_asset_check(specs=check_specs(ENDPOINT, skew_expectations(SkewSettings())))
def training_serving_skew(
    lake: LakeResource, quality: dg.ResourceParam[QualitySettings]
) -> Iterator[dg.AssetCheckResult]:
    """The champion's training set against what the endpoint reads: exact up to the cutoff, and alike since."""
    store, rules = lake.open(), quality
    version = champion_release(store, lake.profile).version
    suite = skew_expectations(rules.skew, rules.severity)
    validation = validate(ENDPOINT, {"versions": measure_skew(store, version)}, suite)
    lake.data_docs().write(ENDPOINT, version, validation.report)
    gone = () if has_training_set(store, version) else OF_TRAINING_SET
    for result in validation.results:
        unmeasured = set(result.expectation.columns) & set(gone)
        yield _not_measured(result.expectation.name) if unmeasured else check_result(result)


def _not_measured(check: str) -> dg.AssetCheckResult:
    """Neither green, as nothing was measured, nor the end of the run, as nothing is known to be wrong."""
    return dg.AssetCheckResult(
        check_name=check,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description="Not measured: the champion's training set was deleted, as when a person is forgotten; the next "
        "champion has one again.",
    )
