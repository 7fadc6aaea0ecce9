"""The checks of the asset `endpoint`: training/serving skew."""

from collections.abc import Iterator

import dagster as dg

from assets.endpoint.rollout import champion_release
from assets.endpoint.skew import ENDPOINT, measure_skew, skew_expectations
from assets.events.rules import SkewRules
from assets.quality.checks import check_result, check_specs
from assets.quality.data_docs import write_data_docs
from assets.quality.validation import validate
from assets.resources import LakeResource, QualityResource


@dg.multi_asset_check(specs=check_specs(ENDPOINT, skew_expectations(SkewRules())))
def training_serving_skew(lake: LakeResource, quality: QualityResource) -> Iterator[dg.AssetCheckResult]:
    """The champion's training set against what the endpoint reads: exact up to the cutoff, and alike since."""
    store, rules = lake.open(), quality
    version = champion_release(store, lake.profile).version
    suite = skew_expectations(rules.skew, rules.severity)
    validation = validate(ENDPOINT, {"versions": measure_skew(store, version)}, suite)
    write_data_docs(store.folder("data_docs") / ENDPOINT, version, validation.report)
    yield from map(check_result, validation.results)
