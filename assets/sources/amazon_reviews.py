"""Amazon Reviews of 2014, 2018 and 2023: each release is a mapping of the columns that it has.

Sources: https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html (2014, McAuley et al., 2015),
https://cseweb.ucsd.edu/~jmcauley/datasets/amazon_v2 (2018, Ni et al., 2019) and https://amazon-reviews-2023.github.io
(2023, Hou et al., 2024).
"""

from datetime import date
from typing import Any, Literal

from pydantic import Field

from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from models.columns import ACTION, CATEGORIES, IMAGE, ITEM_ID, TIMESTAMP, USER_ID, VALUE
from models.strict import Strict

Release = Literal["2014", "2018", "2023"]


class AmazonReviewsSettings(Strict):
    """Reviews and metadata of one category or more, as they were downloaded."""

    kind: Literal["amazon_reviews"]
    release: Release = Field(description="The year of the release, which says what the columns are called.")
    reviews: str = Field(
        min_length=1,
        description="The reviews (JSON Lines, plain or gzip) or ratings alone (a name that ends in .csv or .csv.gz): "
        "file, folder or glob; environment variables are expanded.",
    )
    metadata: str = Field(min_length=1, description="The products: file, folder or glob.")


def amazon_reviews(settings: AmazonReviewsSettings, first_day: date) -> Files:
    """Reviews as events (action `rating`, value the stars), products as items of the first day.

    Args:
        settings: Where the files are.
        first_day: First day of the profile, to which all products belong.
    """
    rated = {"path": settings.reviews, "constants": {ACTION: "rating"}} | _reviews(settings)
    products = {"path": settings.metadata, "format": "jsonl", "once": True} | PRODUCTS[settings.release]
    return Files(FilesSettings.model_validate({"kind": "files", "events": rated, "items": products}), first_day)


def _reviews(settings: AmazonReviewsSettings) -> dict[str, Any]:
    if settings.reviews.lower().endswith((".csv", ".csv.gz")):
        return {"format": "csv"} | RATINGS[settings.release]
    return {"format": "jsonl"} | REVIEWS[settings.release]


OLD_REVIEW = {
    "columns": {USER_ID: "reviewerID", ITEM_ID: "asin", VALUE: "overall", TIMESTAMP: "unixReviewTime"},
    "timestamp_unit": "s",
}
REVIEWS: dict[Release, dict[str, Any]] = {
    "2014": OLD_REVIEW,
    "2018": OLD_REVIEW,
    # Products that differ in colour or size share a parent, and the metadata knows parents alone.
    "2023": {"columns": {ITEM_ID: "parent_asin", VALUE: "rating"}, "timestamp_unit": "ms"},
}
"""Reviews in full."""

RATINGS: dict[Release, dict[str, Any]] = {
    "2014": {"header": (USER_ID, ITEM_ID, VALUE, TIMESTAMP), "timestamp_unit": "s"},
    # The release of 2018 put the item first.
    "2018": {"header": (ITEM_ID, USER_ID, VALUE, TIMESTAMP), "timestamp_unit": "s"},
    "2023": REVIEWS["2023"],
}
"""Ratings alone; those of 2023 have a header, the older ones none."""

PRODUCTS: dict[Release, dict[str, Any]] = {
    "2014": {"columns": {ITEM_ID: "asin", IMAGE: "imUrl"}, "format": "literals"},
    "2018": {"columns": {ITEM_ID: "asin", CATEGORIES: "category", IMAGE: "imageURL.0"}},
    "2023": {"columns": {ITEM_ID: "parent_asin", IMAGE: "images.0.large"}},
}
"""Titles, descriptions and categories have the contract's names but where a release calls them otherwise."""
