"""The data contract: every table's columns and types, in one place (the names stand in `models/columns.py`).

Ids are strings or 64-bit integers, by the profile's `id_type`; a table holds one of the two throughout.
Times are UTC with millisecond resolution.
"""

from typing import Literal

import polars as pl

from models.columns import (
    ACTION,
    ACTIONS,
    ARRIVAL,
    AS_OF,
    AT_FAULT,
    AVAILABLE_FROM,
    BATCH,
    BUCKET,
    CATEGORIES,
    CONTENT_HASH,
    DAY,
    DESCRIPTION,
    ENCODER,
    HASH_SLOT,
    IMAGE,
    IMAGE_BYTES,
    ITEM_ID,
    ITEM_IDS,
    MALFORMED,
    MISTYPED,
    MODALITIES_COLUMN,
    NEWEST,
    NUMBERS,
    ORIGIN,
    READ,
    REASON,
    REQUEST_ID,
    ROW,
    SOURCE_FILE,
    SOURCE_ROW,
    SPACE,
    SURFACE,
    SURFACES,
    TAGS,
    TIMESTAMP,
    TIMESTAMPS,
    TITLE,
    USER_ID,
    VALUE,
    VALUES,
    VECTOR,
    VERSION,
)
from models.declared import NO_COLUMNS, DeclaredColumns
from models.families.family import ITEM_VECTORS, RETRIEVAL_VECTORS
from models.known import CONTRACT
from storage.interaction_columns import CONTRACT_COLUMNS
from storage.sequence_store import sequence_columns

IdType = Literal["string", "int64"]

TIME = pl.Datetime("ms", "UTC")

DEFAULT_ACTIONS: tuple[str, ...] = (
    "impression",
    "view",
    "click",
    "like",
    "dislike",
    "skip",
    "purchase",
    "rating",
    "play",
)
"""The action vocabulary unless a profile declares its own. An action's position is its bit in the sequences."""

ID_DTYPES: dict[IdType, pl.DataType] = {"string": pl.String(), "int64": pl.Int64()}

Schema = dict[str, pl.DataType]


DECLARED_DTYPES: dict[str, pl.DataType] = {"category": pl.String(), "number": pl.Float32()}


def events_schema(id_type: IdType, declared: DeclaredColumns = NO_COLUMNS) -> Schema:
    """One row per thing a user did, with the columns that the profile declares.

    `day` is the partition the row arrived in, `arrival` counts up within it, and `hash_slot` is the part of the users
    that the user belongs to (`assets.buckets`).
    """
    return {
        USER_ID: ID_DTYPES[id_type],
        ITEM_ID: ID_DTYPES[id_type],
        TIMESTAMP: TIME,
        ACTION: pl.String(),
        VALUE: pl.Float32(),
        SURFACE: pl.String(),
        REQUEST_ID: pl.String(),
        ARRIVAL: pl.Int64(),
        HASH_SLOT: pl.Int16(),
        DAY: pl.Date(),
        **{name: DECLARED_DTYPES[declared[name].type] for name in sorted(declared)},
    }


def with_declared(events: pl.LazyFrame, declared: DeclaredColumns) -> pl.LazyFrame:
    """`events` with the declared columns that their table does not have, as nulls."""
    there = events.collect_schema()
    absent = [name for name in declared if name not in there]
    return events.with_columns(pl.lit(None, DECLARED_DTYPES[declared[name].type]).alias(name) for name in absent)


NUMBER_NAME, NUMBER_VALUE = "name", "value"


def items_schema(id_type: IdType) -> Schema:
    """One row per item and day of its description: the latest describes it, the earliest `available_from` counts.

    `image` is a path or URI, or null; `image_bytes` holds encoded image bytes where the source carries them. A tag says
    what it is of, such as `director=Agnès Varda`.
    """
    return {
        ITEM_ID: ID_DTYPES[id_type],
        TITLE: pl.String(),
        DESCRIPTION: pl.String(),
        CATEGORIES: pl.List(pl.String()),
        TAGS: pl.List(pl.String()),
        NUMBERS: pl.List(pl.Struct({NUMBER_NAME: pl.String(), NUMBER_VALUE: pl.Float64()})),
        IMAGE: pl.String(),
        IMAGE_BYTES: pl.Binary(),
        AVAILABLE_FROM: TIME,
        DAY: pl.Date(),
    }


QUARANTINE_SCHEMA: Schema = {
    ORIGIN: pl.String(),
    DAY: pl.Date(),
    REASON: pl.String(),
    SOURCE_FILE: pl.String(),
    SOURCE_ROW: pl.Int64(),
    ROW: pl.String(),
    AT_FAULT: pl.String(),
}
"""Rejected rows: `origin` is the table they were meant for, `row` the whole raw row as JSON, `at_fault` the columns
that the reason is about, as the files call them; null where it is about the row."""

SALT, DIGEST, AT = "salt", "digest", "at"

SUPPRESSIONS_SCHEMA: Schema = {
    HASH_SLOT: pl.Int16(),
    SALT: pl.String(),
    DIGEST: pl.String(),
    AT: TIME,
    REASON: pl.String(),
}
"""One row per forgotten user. `hash_slot` is the part of the users that they belong to, one of 4096, so that few other
ids have to be hashed to find them."""

LANDED_SCHEMA: Schema = {
    DAY: pl.Date(),
    SOURCE_FILE: pl.String(),
    "bytes": pl.Int64(),
    "modified": TIME,
}
"""`raw_events` and `raw_items`: which landing files make up a day."""


def sequences_schema(id_type: IdType) -> Schema:
    """One row per user as `storage.sequence_store.scan_sequences` reads the buckets' files."""
    return sequence_columns(ID_DTYPES[id_type])


def vectors_schema(id_type: IdType) -> Schema:
    """One float32 vector per item, all of one length; `content_hash` tells what was embedded and by which encoder."""
    return {
        ITEM_ID: ID_DTYPES[id_type],
        CONTENT_HASH: pl.String(),
        VECTOR: pl.List(pl.Float32()),
    }


def embeddings_schema(id_type: IdType) -> Schema:
    """The vectors of one modality; `encoder`, the same in all rows, says what made them."""
    return {**vectors_schema(id_type), ENCODER: pl.String()}


TEXT_TABLE = "text_embeddings"
IMAGE_TABLE = "image_embeddings"
CATEGORY_TABLE = "category_embeddings"
TAG_TABLE = "tag_embeddings"
NUMBER_TABLE = "number_embeddings"

MODALITIES = {
    "text": TEXT_TABLE,
    "image": IMAGE_TABLE,
    "categories": CATEGORY_TABLE,
    "tags": TAG_TABLE,
    "numbers": NUMBER_TABLE,
}
"""What an item's content is made of: the table of each modality's embeddings, made by the asset of the same name."""


def content_schema(id_type: IdType) -> Schema:
    """One vector per item, those of its modalities side by side, each of length 1, or zeros where it has none.

    `modalities`, the same in all rows, says what the vectors are made of, in order.
    """
    made_of = pl.Struct({"name": pl.String(), "width": pl.Int64(), "encoder": pl.String()})
    return {
        **vectors_schema(id_type),
        MODALITIES_COLUMN: pl.List(made_of),
        **{has(modality): pl.Boolean() for modality in MODALITIES},
    }


def has(modality: str) -> str:
    """The column that says whether an item has content of this modality."""
    return f"has_{modality}"


KEEP_IDS = "write `id_type: {}` in the profile, or let `lake.root` name a new folder and materialize all days there"
REMOVE = "it was written by another version of the platform; remove {} and materialize all its days again"


LATER_COLUMNS = {"items": {TAGS, NUMBERS}}
"""Columns that a table of an earlier version lacks; what it holds has none there."""


def require_same(place: str, there: Schema | pl.Schema, wanted: Schema | pl.Schema) -> None:
    """Compares the columns and types of the table at `place` with those of rows to be written.

    In `events`, what a profile declares may come and go: a column that one side lacks is null there. So are those that
    the `items` of earlier versions lack.

    Raises:
        ValueError: they differ; nothing may be written.
    """
    name = place.rpartition("/")[2]
    table, contract = f"table '{name}' in {place}", events_schema("string") if name == EVENTS_TABLE else None
    apart = (set(there) ^ set(wanted)) - (LATER_COLUMNS.get(name, set()) - set(there))
    if apart if contract is None else apart & contract.keys():
        raise ValueError(
            f"{table} has the columns {', '.join(there)}, the rows to be written {', '.join(wanted)}: "
            f"{REMOVE.format(place)}"
        )
    for column in (column for column in wanted if column in there and there[column] != wanted[column]):
        old, new = str(there[column]).lower(), str(wanted[column]).lower()
        advice = KEEP_IDS.format(old) if column in (USER_ID, ITEM_ID) else REMOVE.format(place)
        if contract is not None and column not in contract:
            advice = "declare the column under another name in `quality.columns`"
        raise ValueError(f"{table} holds {column} as {old}, the rows to be written have it as {new}: {advice}")


RESERVED_NAMES = frozenset(
    {
        *events_schema("string"),
        *QUARANTINE_SCHEMA,
        *sequence_columns(pl.String()),
        *(column.name for column in CONTRACT_COLUMNS),
        *CONTRACT,
        MALFORMED,
        MISTYPED,
        "path",
        "slot",
    }
)
"""Names that mean something in some table, or to the model, already; none is left for a column that is declared."""


COLUMN_DESCRIPTIONS: dict[str, str] = {
    USER_ID: "Who did it.",
    ITEM_ID: "The item.",
    TIMESTAMP: "When it happened, UTC, in milliseconds.",
    ACTION: "What was done, a word of the profile's vocabulary.",
    VALUE: "A number that belongs to the action, such as a rating, a price or a share that was played.",
    SURFACE: "Where in the product it happened.",
    REQUEST_ID: "The request whose answer the user acted on; equal for what was shown and done together.",
    ARRIVAL: "Place of the event among those of its day, from 0, in order of arrival.",
    HASH_SLOT: "Part of the users that the user belongs to, by a stable hash.",
    DAY: "The daily partition, UTC.",
    TITLE: "Title for readers and the text encoder.",
    DESCRIPTION: "Longer text for the text encoder.",
    CATEGORIES: "Categories, from coarse to fine.",
    TAGS: "What it has in common with others, each name with what it is of, such as director=Agnès Varda.",
    NUMBERS: "Its numbers by name, such as its year or its price.",
    IMAGE: "Path or URI of the picture.",
    IMAGE_BYTES: "The encoded picture, where the source carries it.",
    AVAILABLE_FROM: "Since when the item can be recommended, UTC.",
    ORIGIN: "Table that the row was meant for.",
    REASON: "Why the row was put aside.",
    SOURCE_FILE: "Landing file that the row came from.",
    SOURCE_ROW: "Place of the row in that file, from 0.",
    ROW: "The whole raw row, as JSON.",
    AT_FAULT: "Columns of the file that the reason is about.",
    "bytes": "Size of the landing file.",
    "modified": "When the landing file was last changed, UTC.",
    ITEM_IDS: "The user's items, oldest first.",
    TIMESTAMPS: "When each happened, UTC, ascending.",
    ACTIONS: "What was done with each, as a bit mask over the vocabulary.",
    VALUES: "Largest value of each, null where there was none.",
    SURFACES: "Where each happened.",
    BUCKET: "File of the sequences that holds the user.",
    CONTENT_HASH: "Tells what was embedded and by which encoder; null where the item has no such content.",
    MODALITIES_COLUMN: "What the vectors are made of, in order: kind of content, width, encoder.",
    VECTOR: "The embedding, float32.",
    ENCODER: "What made the vectors: those of two encoders cannot be compared.",
    **{has(modality): f"Whether the item has content of the kind {modality}." for modality in MODALITIES},
    VERSION: "The trained version that made the row.",
    SPACE: "The space of the vector: vectors of one space can be compared, those of two cannot.",
    BATCH: "When the vectors were made, UTC; users and items of one batch belong together.",
    ITEM_VECTORS: "What the version's encoder reads of the item.",
    RETRIEVAL_VECTORS: "What the version compares a user's query with.",
    AS_OF: "The moment as of which it is the user's vector, UTC: what a request would get then.",
    NEWEST: "When the last interaction happened that the vector is made of, UTC.",
    READ: "How many interactions the user had then.",
    "learning_rate": "AdamW's learning rate of the trial.",
    "temperature": "Divisor of the cosine logits in the trial.",
    "epochs": "Epochs that the trial trained before it ended or was stopped.",
    "ndcg_at_10": "NDCG@10 of the held-out last interactions, what trials are judged by.",
    "seconds": "How long the trial took.",
    "size": "Place of the trial's backbone among the sizes of the profile, from 0.",
    "fraction": "Share of the training set's users that the trial learned from.",
    "seed": "Seed of the trial's training.",
    "parameters": "Parameters of the trial's backbone, embeddings and decoding not counted.",
    "loss": "Training loss of the epoch that was kept.",
    "mrr": "Mean reciprocal rank over all users who were asked.",
}
"""What a reader of the UI is told of each column, by its name, whatever table it stands in."""


USER_VECTORS_TABLE = "user_vectors"
ITEM_VECTORS_TABLE = "item_vectors"


VECTORS_KEPT_BY = (SPACE, VERSION, BATCH)
"""The partitions of both tables of vectors. A batch is complete once it is among the items'."""


def user_vectors_schema(id_type: IdType) -> Schema:
    """One row per batch and user who did something with an item that the version knows: their vector, and what it is
    made of."""
    return {
        SPACE: pl.String(),
        VERSION: pl.String(),
        BATCH: pl.String(),
        USER_ID: ID_DTYPES[id_type],
        AS_OF: TIME,
        NEWEST: TIME,
        READ: pl.Int64(),
        VECTOR: pl.List(pl.Float32()),
    }


def item_vectors_schema(id_type: IdType) -> Schema:
    """One row per batch and item that the version knows."""
    return {
        SPACE: pl.String(),
        VERSION: pl.String(),
        BATCH: pl.String(),
        ITEM_ID: ID_DTYPES[id_type],
        VECTOR: pl.List(pl.Float32()),
    }


NEW_ITEM_VECTORS_TABLE = "new_item_vectors"


def new_item_vectors_schema(id_type: IdType) -> Schema:
    """One row per version and item that it does not know and can say something of, by what its artifact keeps of its
    own items (`models.families.family`). The versions are its partitions."""
    return {
        VERSION: pl.String(),
        ITEM_ID: ID_DTYPES[id_type],
        ITEM_VECTORS: pl.List(pl.Float32()),
        RETRIEVAL_VECTORS: pl.List(pl.Float32()),
    }


EVENTS_TABLE = "events"
ITEMS_TABLE = "items"
RAW_EVENTS_TABLE = "raw_events"
RAW_ITEMS_TABLE = "raw_items"
QUARANTINE_TABLE = "quarantine"
SUPPRESSIONS_TABLE = "suppressions"
CONTENT_TABLE = "content_embeddings"
EVALUATIONS_TABLE = "evaluations"
RELEASES_TABLE = "release_log"
TUNING_TABLE = "tuning_trials"
SCALING_TABLE = "scaling_trials"
