"""The public datasets that `genrec fetch` knows: where they are, how they are checked, and the profile that reads them.

Checksums are those that the publishers state: GroupLens in a file beside each archive, Zenodo (for KuaiRand) on the
dataset's page, Hugging Face in the pointer that stands in the repository for each large file.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Any

GROUPLENS = "https://files.grouplens.org/datasets/movielens"
ZENODO = "https://zenodo.org/records/10439422/files"
YAMBDA = "https://huggingface.co/datasets/yandex/yambda"
AMAZON_2014 = "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles"
AMAZON = "https://mcauleylab.ucsd.edu/public_datasets/data"

CATEGORY = "{category}"
FOLDER = "{folder}"

MOVIELENS_TERMS = "MovieLens: research use, no redistribution without permission, no commercial use; see its README."
AMAZON_TERMS = "Amazon Reviews: the publisher names no licence and asks to cite the paper; see the dataset's page."
KUAIRAND_TERMS = "KuaiRand: CC BY-SA 4.0."
YAMBDA_TERMS = "Yambda: Apache 2.0."
OPEN_BANDIT_TERMS = "Open Bandit Dataset: CC BY 4.0."


@dataclass(frozen=True)
class Download:
    """One file of a dataset.

    Attributes:
        url: Where it is.
        checksum: `md5:` or `sha256:` and the digest, as the publisher states it.
        checksum_url: A text in which the publisher states it.
        size: Bytes, where known.
    """

    url: str
    checksum: str | None = None
    checksum_url: str | None = None
    size: int | None = None

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Dataset:
    """A dataset as it is published.

    Attributes:
        name: What `genrec fetch` calls it.
        downloads: Its files.
        terms: What the publisher allows, in a sentence.
        profile: The profile that reads it; `{folder}` stands for the folder it was fetched to.
    """

    name: str
    downloads: tuple[Download, ...]
    terms: str
    profile: dict[str, Any] = field(hash=False)


def dataset(name: str) -> Dataset:
    """The dataset of that name; in those of Amazon a category follows a slash.

    Raises:
        LookupError: there is none.
    """
    family, _, category = name.partition("/")
    found = CATALOGUE.get(family)
    if found is None:
        raise LookupError(f"there is no dataset {name!r}: choose one of {', '.join(names())}")
    parted = CATEGORY in found.downloads[0].url
    if parted != bool(re.fullmatch(r"\w+", category)) or (category and not parted):
        wanted = f"{family}/CATEGORY, such as {family}/All_Beauty" if parted else family
        raise LookupError(f"{name!r} names no dataset: write {wanted}")
    return _filled(found, category) if parted else found


def names() -> list[str]:
    """The names, with CATEGORY where one of the publisher's has to stand."""
    return [f"{name}/CATEGORY" if CATEGORY in found.downloads[0].url else name for name, found in CATALOGUE.items()]


def _filled(found: Dataset, category: str) -> Dataset:
    downloads = tuple(replace(part, url=part.url.replace(CATEGORY, category)) for part in found.downloads)
    source = {key: str(value).replace(CATEGORY, category) for key, value in found.profile["source"].items()}
    return replace(
        found, name=f"{found.name}-{category}", downloads=downloads, profile=found.profile | {"source": source}
    )


def _profile(
    first: str, last: str, id_type: str, source: dict[str, str], actions: list[str], positive: list[str]
) -> Any:
    return {
        "first_day": first,
        "last_day": last,
        "id_type": id_type,
        "source": source,
        "quality": {"actions": actions},
        "training": {"positive_actions": positive},
    }


def _movielens(name: str, first: str, last: str, *, checked: bool = True) -> Dataset:
    url = f"{GROUPLENS}/{name}.zip"
    source = {"kind": "movielens", "path": f"{FOLDER}/{name}"}
    return Dataset(
        name,
        (Download(url, checksum_url=f"{url}.md5" if checked else None),),
        MOVIELENS_TERMS,
        _profile(first, last, "int64", source, ["rating"], ["rating"]),
    )


def _kuairand(version: str, md5: str, size: int) -> Dataset:
    actions = ["impression", "click", "like", "follow", "comment", "forward", "dislike", "long_view", "play"]
    source = {"kind": "kuairand", "path": f"{FOLDER}/KuaiRand-{version}/data"}
    return Dataset(
        f"kuairand-{version.lower()}",
        (Download(f"{ZENODO}/KuaiRand-{version}.tar.gz", checksum=f"md5:{md5}", size=size),),
        KUAIRAND_TERMS,
        _profile("2022-04-07", "2022-05-09", "int64", source, actions, ["like", "long_view"]),
    )


def _yambda(size: str) -> Dataset:
    file = f"main/flat/{size}/multi_event.parquet"
    actions = ["play", "like", "dislike", "unlike", "undislike"]
    return Dataset(
        f"yambda-{size}",
        (Download(f"{YAMBDA}/resolve/{file}", checksum_url=f"{YAMBDA}/raw/{file}"),),
        YAMBDA_TERMS,
        _profile("2024-01-01", "2024-10-28", "int64", {"kind": "yambda", "path": FOLDER}, actions, ["play", "like"]),
    )


def _amazon(release: str, last: str, reviews: str, metadata: str) -> Dataset:
    source = {
        "kind": "amazon_reviews",
        "release": release,
        "reviews": f"{FOLDER}/{reviews.rsplit('/', 1)[-1]}",
        "metadata": f"{FOLDER}/{metadata.rsplit('/', 1)[-1]}",
    }
    return Dataset(
        f"amazon-{release}",
        (Download(reviews), Download(metadata)),
        AMAZON_TERMS,
        _profile("1996-05-01", last, "string", source, ["rating"], ["rating"]),
    )


CATALOGUE = {
    found.name: found
    for found in (
        _movielens("ml-100k", "1997-09-20", "1998-04-23"),
        _movielens("ml-1m", "2000-04-25", "2003-03-01"),
        _movielens("ml-20m", "1995-01-09", "2015-04-01"),
        _movielens("ml-25m", "1995-01-09", "2019-11-22"),
        _movielens("ml-32m", "1995-01-09", "2023-10-14"),
        _movielens("ml-latest-small", "1996-03-29", "2018-09-25", checked=False),
        _amazon(
            "2014",
            "2014-08-01",
            f"{AMAZON_2014}/reviews_{CATEGORY}_5.json.gz",
            f"{AMAZON_2014}/meta_{CATEGORY}.json.gz",
        ),
        _amazon(
            "2018",
            "2018-11-01",
            f"{AMAZON}/amazon_v2/categoryFilesSmall/{CATEGORY}_5.json.gz",
            f"{AMAZON}/amazon_v2/metaFiles2/meta_{CATEGORY}.json.gz",
        ),
        _amazon(
            "2023",
            "2023-10-01",
            f"{AMAZON}/amazon_2023/raw/review_categories/{CATEGORY}.jsonl.gz",
            f"{AMAZON}/amazon_2023/raw/meta_categories/meta_{CATEGORY}.jsonl.gz",
        ),
        _yambda("50m"),
        _yambda("500m"),
        _yambda("5b"),
        _kuairand("Pure", "0820331067a3784d9691136f772b35a7", 47_432_272),
        _kuairand("1K", "6b0b9c8222d67fcd4c676218edca3f1f", 1_135_436_720),
        _kuairand("27K", "3e3c799a24e2d23a4d2c757fbf9adf59", 9_892_191_178),
        Dataset(
            "open-bandit",
            (Download("https://research.zozo.com/data_release/open_bandit_dataset.zip", size=412_931_917),),
            OPEN_BANDIT_TERMS,
            _profile(
                "2019-11-24",
                "2019-12-01",
                "string",
                {"kind": "open_bandit", "path": f"{FOLDER}/open_bandit_dataset"},
                ["impression", "click"],
                ["click"],
            ),
        ),
    )
}
