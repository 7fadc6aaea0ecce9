"""A folder with brackets in its name is that folder."""

from datetime import date
from pathlib import Path

from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from tests.cases.folder import cases


def test_the_files_of_a_folder_with_brackets_are_read() -> None:
    folder, day = next(path for path in cases("brackets").iterdir() if path.is_dir()), date(2026, 1, 1)
    settings = {table: {"path": str(folder / f"{table}.csv")} for table in ("events", "items")}
    source = Files(FilesSettings.model_validate({"kind": "files", **settings}), day)
    for table in ("events", "items"):
        (file,) = source.land(table, [day])
        assert Path(file.path).parent == folder
        lines = len(Path(file.path).read_text().splitlines())
        (rows,) = source.read(table, [file], [day])
        assert rows.collect().height == lines - 1
