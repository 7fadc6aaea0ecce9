"""What the name of a column says of what is in it."""

import re

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")

KEY_WORDS = {"id", "ids", "code", "no", "number", "num", "key", "nr", "uuid"}

USER = {
    **dict.fromkeys(["user", "customer", "member", "visitor", "reviewer", "client", "buyer", "shopper", "cust"], 3.0),
    **dict.fromkeys(["subscriber", "uid", "kunde", "utilisateur", "usuario"], 3.0),
    **dict.fromkeys(["account", "person", "profile", "viewer", "listener", "reader", "player", "patient"], 2.5),
    **dict.fromkeys(["student", "learner", "guest", "household", "device", "cookie", "author", "rater"], 2.5),
    **dict.fromkeys(["session", "visit", "basket"], 1.5),
}
ITEM = {
    **dict.fromkeys(["item", "product", "prod", "article", "sku", "asin", "movie", "film", "track", "song"], 3.0),
    **dict.fromkeys(["book", "isbn", "game", "video", "course", "venue", "poi", "business", "restaurant"], 3.0),
    **dict.fromkeys(["hotel", "listing", "recipe", "podcast", "beer", "wine", "iid", "artikel", "produit"], 3.0),
    **dict.fromkeys(["artist", "stock", "news", "pid", "episode", "show", "anime", "app", "joke"], 2.5),
    **dict.fromkeys(["album", "place", "location", "offer", "ad", "post", "content", "object", "good", "job"], 2.0),
    **dict.fromkeys(["document", "page", "merchant", "title", "url"], 1.0),
}
NO_ID = {
    **dict.fromkeys(["name", "text", "category", "cat", "catid", "catname", "type", "genre", "tag", "count"], 2.5),
    **dict.fromkeys(["price", "date", "time", "score", "rating", "latitude", "longitude", "url", "image"], 2.5),
    **dict.fromkeys(["description", "desc"], 1.0),
}
"""What speaks against a column that names users or items."""

TIME = {
    **dict.fromkeys(["timestamp", "datetime", "ts", "epoch"], 3.0),
    **dict.fromkeys(["time", "date", "when", "datum", "fecha", "created", "posted", "at", "unix", "day"], 2.0),
    **dict.fromkeys(["utc", "month", "year"], 1.0),
}
TIME_PARTS = (("year", "month", "day"), ("date", "time"))
"""Names of columns that hold a time together, in the order in which they are read."""

NO_TIME = dict.fromkeys(
    ["local", "updated", "edited", "modified", "last", "release", "birth", "expire", "end", "id"], 3.0
)
ORDER = {
    **dict.fromkeys(["position", "pos", "order", "rank", "seq", "sequence", "step"], 3.0),
    **dict.fromkeys(["index", "idx", "nth", "turn", "place"], 2.0),
}
ACTION = {
    **dict.fromkeys(["action", "behavior", "behaviour", "event", "interaction", "activity"], 3.0),
    **dict.fromkeys(["operation", "verb", "feedback"], 2.0),
    "type": 1.0,
}
ACTIONS = {
    *("view", "pageview", "pv", "click", "buy", "purchase", "order", "transaction", "cart", "addtocart", "add_to_cart"),
    *(
        "fav",
        "favorite",
        "like",
        "dislike",
        "play",
        "listen",
        "watch",
        "skip",
        "share",
        "comment",
        "follow",
        "impression",
    ),
    *("rating", "rate", "review", "save", "wishlist", "remove_from_cart", "checkout", "download", "install", "search"),
}
"""What actions are called, whatever the column that holds them is called."""

FLAGS = ACTIONS | {
    *(
        "clicked",
        "liked",
        "bought",
        "purchased",
        "ordered",
        "watched",
        "viewed",
        "played",
        "followed",
        "shared",
        "saved",
    ),
    *("hate", "hated", "disliked", "skipped", "forward", "forwarded", "commented", "converted", "conversion", "label"),
}
"""Words of columns that say yes or no of one action."""

DISLIKED = {"dislike", "disliked", "hate", "hated", "skip", "skipped", "remove_from_cart", "impression"}

VALUE = {
    **dict.fromkeys(["rating", "ratings", "stars", "score", "overall"], 3.0),
    **dict.fromkeys(["quantity", "qty", "weight", "hours", "playcount", "plays"], 2.0),
    **dict.fromkeys(["price", "amount", "value"], 1.0),
}
NO_VALUE = dict.fromkeys(["id", "time", "date", "timestamp", "type"], 5.0)

TITLE = {"title": 3.0, "name": 2.5, "label": 2.0, "titel": 3.0, "headline": 2.5}
DESCRIPTION = {
    **dict.fromkeys(["description", "desc", "overview", "plot", "summary", "synopsis", "abstract"], 3.0),
    **dict.fromkeys(["text", "about", "content", "body"], 2.0),
}
CATEGORIES = {
    **dict.fromkeys(["category", "categories", "genre", "cat", "catname", "kategorie"], 3.0),
    **dict.fromkeys(["tag", "department", "subject", "topic"], 2.0),
    **dict.fromkeys(["type", "class", "section"], 1.0),
}
AFTERWARDS = {
    *("count", "rating", "score", "rank", "ranking", "popularity", "vote", "view", "sale", "sold", "like", "click"),
    *("play", "review", "average", "avg", "mean", "number", "num", "sum", "total", "revenue", "gross", "watch"),
    *("download", "favorite", "comment", "share", "star", "bought", "purchase", "order", "demand", "ctr", "follower"),
    *("stock", "inventory", "quantity", "qty", "availability", "available", "backorder", "return", "refund", "units"),
    *("position", "trend", "trending", "popular", "hot", "best", "bestseller", "bestselling", "turnover"),
    *("wishlisted", "favourite", "favorited", "rated", "ranked", "reviewed", "voted", "bookmark", "visit", "visitor"),
    *("cnt", "nb", "freq", "frequency", "cumulative", "collected", "shown", "exposure", "stay", "dwell", "retention"),
    *("visits", "subscriber", "listener", "reader", "viewer", "engagement", "rate", "updated", "modified"),
    *(FLAGS - {"label", "search", "install", "forward"}),
}
"""Words of what is counted of an item once it is there: it would tell training of what comes later."""

WITHIN = ("bestsell", "inventor", "popularit", "sales", "stock", "trending", "wishlist")
AT_THE_END = ("count", "cnt", "rank", "views", "clicks")
NOT_COUNTED = {"discount", "account", "viscount"}
"""What such words are of where a name is written without a break, as in `salesrank`, and what only looks like one."""

IMAGE = {
    **dict.fromkeys(["image", "img", "photo", "picture", "poster", "cover", "thumbnail", "thumb"], 3.0),
    **dict.fromkeys(["pic", "bild"], 2.0),
}


def words(name: str) -> set[str]:
    """The words of a name in small letters, each without the plural's s as well; `userid` is `user` and `id`."""
    found = {word.lower() for word in WORD.findall(name)}
    found |= {word.removesuffix("s") for word in found if len(word) > len("ids")}
    for word in list(found):
        if word.endswith("id") and len(word) > len("id"):
            found |= {word.removesuffix("id"), "id"}
        found |= {end for end in ("date", "time", "timestamp", "code") if word.endswith(end)}
    return found


def score(name: str, speaks_for: dict[str, float], speaks_against: dict[str, float] | None = None) -> float:
    """How much the name speaks for a meaning: the strongest word for it, less the strongest against it; 0: nothing."""
    there = words(name)
    best = max((speaks_for[word] for word in there & speaks_for.keys()), default=0.0)
    worst = max(((speaks_against or {})[word] for word in there & (speaks_against or {}).keys()), default=0.0)
    return best - worst if best else 0.0


def counted_afterwards(name: str) -> bool:
    """Whether the name says that it was counted once the item was there."""
    there = words(name)
    runs = any(part in word for word in there for part in WITHIN)
    ends = any(word.endswith(AT_THE_END) and word not in NOT_COUNTED for word in there)
    return bool(there & AFTERWARDS) or runs or ends
