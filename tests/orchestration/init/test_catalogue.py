"""`genrec init`: what the columns of a catalogue are taken for."""

from pathlib import Path

from tests.orchestration.init.worlds import ITEMS, init, lines, refused, said, world


def test_a_catalogue_without_names(tmp_path: Path) -> None:
    rows = [(user, item, int(moment.timestamp())) for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time"], rows))
    items = [
        (
            f"A-{n}",
            "2024-01-01",
            f"The tale of {n} rings",
            f"https://x.example/{n} of them",
            ["Drama|War", "War", "Comedy"][n % 3],
        )
        for n in range(ITEMS)
    ]
    (tmp_path / "items.dat").write_text(lines([], items, "::").lstrip("\n"))
    profile, _ = init(tmp_path, "log.csv", "items.dat")
    assert profile.source["items"]["columns"] == {"item_id": "column_1", "title": "column_3", "categories": "column_5"}
    found = said(tmp_path, "log.csv", "items.dat")
    (line,) = [line for line in found if line.startswith("look at source.items.columns: no name says")]
    assert "'column_3' such as 'The tale of 0 rings' for the title, 'column_5' such as 'Drama|War' for" in line
    (tmp_path / "items.dat").write_text(
        lines([], [(item[0], n * 1.5) for n, item in enumerate(items)], "::").lstrip("\n")
    )
    assert any(
        "no column of the catalogue was taken for a text" in line for line in said(tmp_path, "log.csv", "items.dat")
    )


def test_a_catalogue(tmp_path: Path) -> None:
    rows = [(user, item, int(moment.timestamp())) for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time"], rows))
    (tmp_path / "pictures").mkdir()
    items = []
    for n in range(ITEMS):
        (tmp_path / "pictures" / f"{n}.jpg").write_bytes(b"")
        items.append((n, f"A-{n}", f"Thing number {n}", "a; b;c", f"pictures/{n}.jpg", f"https://shop.example/{n}.jpg"))
    header = ["row", "key", "product_name", "genres", "photo", "image_url"]
    (tmp_path / "items.csv").write_text(lines(header[:5], [row[:5] for row in items], "\t"))
    profile, _ = init(tmp_path, "log.csv", "items.csv")
    section = profile.source["items"]
    assert section["columns"] == {"item_id": "key", "title": "product_name", "categories": "genres", "image": "photo"}
    assert section["category_delimiter"] == ";"
    (tmp_path / "made.yaml").unlink()
    (tmp_path / "items.csv").write_text(lines([*header[:4], header[5]], [(*row[:4], row[5]) for row in items], "\t"))
    profile, text = init(tmp_path, "log.csv", "items.csv")
    assert "image" not in profile.source["items"]["columns"]
    assert "images are left out: of 'image_url', addresses" in text


def test_names_that_items_share_and_numbers_are_proposed_but_none_that_tells_of_the_future(tmp_path: Path) -> None:
    rows = [(user, item, int(moment.timestamp())) for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time"], rows))
    header = ["item", "title", "genres", "brand", "makers", "price", "year", "units_sold", "author_id", "slogan", "row"]
    items = [
        (f"A-{n}", f"T {n}", "a|b", f"brand {n % 3}", "X|Y", 9.5 + n, 1990 + n % 4, n % 5, n % 2, f"buy number {n}", n)
        for n in range(ITEMS)
    ]
    (tmp_path / "items.csv").write_text(lines(header, items))
    profile, text = init(tmp_path, "log.csv", "items.csv")
    assert profile.source["items"]["tags"] == ["brand", "makers"]
    assert profile.source["items"]["numbers"] == ["price", "year"]
    assert "leave out what was counted after it came" in text


def test_a_catalogue_that_lacks_items_lets_their_events_in(tmp_path: Path) -> None:
    rows = [(user, item, int(moment.timestamp())) for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time"], rows))
    (tmp_path / "items.csv").write_text(lines(["item", "title"], [(f"A-{n}", f"t{n}") for n in range(ITEMS // 2)]))
    profile, _ = init(tmp_path, "log.csv", "items.csv")
    assert profile.quality["reject_unknown_items"] is False
    (tmp_path / "items.csv").write_text(lines(["item", "title"], [(f"B-{n}", f"t{n}") for n in range(ITEMS)]))
    assert "no column of" in refused(
        str(tmp_path / "log.csv"), str(tmp_path / "items.csv"), "--profile", f"{tmp_path}/x.yaml"
    )
