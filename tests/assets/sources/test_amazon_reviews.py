import gzip
import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from assets.sources.amazon_reviews import AmazonReviewsSettings, amazon_reviews
from assets.sources.files import Files
from tests.assets.sources.validating import judged, read

FIRST = date(2014, 7, 1)
SECOND = FIRST + timedelta(days=1)
START = 1_404_172_800

REVIEWS = {
    "2014": [
        '{"reviewerID": "A1", "asin": "0001", "reviewerName": "N \\"M\\"", "helpful": [0, 0], "reviewText": "a\\nb", '
        f'"overall": 5.0, "summary": "s", "unixReviewTime": {START}, "reviewTime": "07 1, 2014"}}',
        f'{{"reviewerID": "A2", "asin": "000B", "overall": 2.0, "unixReviewTime": {START + 86_400}}}',
    ],
    "2018": [
        '{"overall": 5.0, "vote": "1,012", "verified": true, "reviewTime": "07 1, 2014", "reviewerID": "A1", '
        f'"asin": "0001", "style": {{"Size:": " M"}}, "reviewText": "t", "unixReviewTime": {START}}}',
        f'{{"overall": 2.0, "reviewerID": "A2", "asin": "000B", "unixReviewTime": {START + 86_400}}}',
    ],
    "2023": [
        '{"rating": 5.0, "title": "t", "text": "x", "images": [], "asin": "0009", "parent_asin": "0001", '
        f'"user_id": "A1", "timestamp": {START}123, "helpful_vote": 0, "verified_purchase": true}}',
        '{"rating": 2.0, "images": [{"small_image_url": "u"}], "asin": "000B", "parent_asin": "000B", '
        f'"user_id": "A2", "timestamp": {START + 86_400}000}}',
    ],
}

PRODUCTS = {
    "2014": [
        "{'asin': '0001', 'description': 'It\\'s \"good\"', 'title': 'One', 'price': 3.9, 'imUrl': 'http://x/1.jpg', "
        "'salesRank': {'Books': 1}, 'related': {'buy': ['0002']}, 'categories': [['Toys', 'Puzzles'], ['A|B']]}",
        "{'asin': '000B', 'categories': [['Toys']]}",
    ],
    "2018": [
        json.dumps(
            {
                "category": ["Toys", "Puzzles", "A|B"],
                "description": ["It's", '"good"'],
                "title": "One",
                "asin": "0001",
                "imageURL": ["http://x/1.jpg", "http://x/2.jpg"],
                "rank": "1 in Toys",
            }
        ),
        '{"category": ["Toys"], "description": [], "asin": "000B", "imageURL": []}',
    ],
    "2023": [
        json.dumps(
            {
                "main_category": "Toys",
                "title": "One",
                "average_rating": 4.5,
                "features": [],
                "description": ["It's", '"good"'],
                "price": "from 3.9",
                "images": [{"thumb": "http://x/t.jpg", "large": "http://x/1.jpg", "variant": "MAIN", "hi_res": None}],
                "categories": ["Toys", "Puzzles", "A|B"],
                "details": {"Brand": "x"},
                "parent_asin": "0001",
            }
        ),
        '{"description": [], "images": [], "categories": ["Toys"], "parent_asin": "000B"}',
    ],
}

RATINGS = {
    "2014": f"A1,0001,5.0,{START}\nA2,000B,2.0,{START + 86_400}\n",
    "2018": f"0001,A1,5.0,{START}\n000B,A2,2.0,{START + 86_400}\n",
    "2023": "user_id,parent_asin,rating,timestamp,history\n"
    f"A1,0001,5.0,{START}123,\nA2,000B,2.0,{START + 86_400}000,0001 7\n",
}

RELEASES = pytest.mark.parametrize("release", ["2014", "2018", "2023"])


def _source(folder: Path, release: str, reviews: str = "reviews.json.gz") -> Files:
    names = {"reviews": f"{folder}/{reviews}", "metadata": f"{folder}/meta.json.gz"}
    settings = AmazonReviewsSettings.model_validate({"kind": "amazon_reviews", "release": release} | names)
    return amazon_reviews(settings, FIRST)


def _write(path: Path, lines: list[str]) -> None:
    path.write_bytes(gzip.compress("\n".join(lines).encode()))


@RELEASES
def test_reviews_become_ratings_that_are_all_good(tmp_path: Path, release: str) -> None:
    _write(tmp_path / "reviews.json.gz", REVIEWS[release])
    accepted, reasons = judged(_source(tmp_path, release), [FIRST, SECOND], ["rating"], "string", tmp_path)
    assert not reasons
    assert accepted.select("user_id", "item_id", "value", "day").sort("user_id").rows() == [
        ("A1", "0001", 5.0, FIRST),
        ("A2", "000B", 2.0, SECOND),
    ]


@RELEASES
@pytest.mark.parametrize("zipped", [False, True])
def test_ratings_alone_are_the_same_events(tmp_path: Path, release: str, zipped: bool) -> None:
    name = "ratings.csv.gz" if zipped else "ratings.csv"
    content = RATINGS[release].encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if zipped else content)
    _write(tmp_path / "reviews.json.gz", REVIEWS[release])
    alone, in_full = (
        read(_source(tmp_path, release, file), "events", [FIRST, SECOND]) for file in (name, "reviews.json.gz")
    )
    assert alone.drop("source_file").equals(in_full.select(alone.columns).drop("source_file"))


@RELEASES
def test_products_become_items_of_the_first_day(tmp_path: Path, release: str) -> None:
    _write(tmp_path / "meta.json.gz", [*PRODUCTS[release], "{'asin':"])
    source = _source(tmp_path, release)
    rows = read(source, "items", [FIRST, SECOND])
    text = 'It\'s "good"' if release == "2014" else 'It\'s\n"good"'
    assert rows.select("item_id", "title", "description", "categories", "image").rows() == [
        ("0001", "One", text, ["Toys", "Puzzles", "A|B"], "http://x/1.jpg"),
        ("000B", None, None if release == "2014" else "", ["Toys"], None),
        (None, None, None, None, None),
    ]
    assert rows["malformed"].to_list() == [None, None, "{'asin':"]
    assert rows["day"].to_list() == [FIRST] * 3
    assert read(source, "items", [SECOND]).height == 0
