"""`genrec fetch`: a public dataset, downloaded, checked and unpacked whole, or not there at all."""

import hashlib
import re
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import yaml
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from orchestration.archives import is_archive, unpack
from orchestration.datasets import FOLDER, Dataset, Download
from orchestration.download import TIMEOUT, DownloadError, download

DIGEST = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{32})\b", re.IGNORECASE)
ALGORITHMS = {64: "sha256", 32: "md5"}
"""Hexadecimal digits to the kind of checksum that has so many."""


class ChecksumError(ValueError):
    """A file is not the one that was published, or not the one that was fetched before."""


def fetch(dataset: Dataset, into: Path, console: Console, sha256: Collection[str] = ()) -> Path:
    """Puts the dataset into a folder of its name in `into`, and says which profile reads it.

    What is fetched lies beside that folder until all of it is checked and unpacked; a run that was cut off is gone on
    with. A folder that is there already is left alone. Checksums that no publisher states are remembered beside the
    folder (`<name>.sha256`) and must be the same the next time.

    Args:
        sha256: Digests that the files must have whose publisher states none.

    Raises:
        DownloadError: a file cannot be fetched.
        ChecksumError: a file is another one; nothing of it is kept.
        ValueError: an archive is damaged or writes outside its folder.
    """
    folder = into.absolute() / dataset.name
    if not folder.exists():
        draft = folder.with_name(f".{dataset.name}.fetching")
        draft.mkdir(parents=True, exist_ok=True)
        try:
            with httpx.Client(follow_redirects=True) as client:
                files = [_fetched(client, part, draft, console) for part in dataset.downloads]
                for part, file in zip(dataset.downloads, files, strict=True):
                    _check(client, part, file, folder.with_name(f"{dataset.name}.sha256"), sha256, console)
            _place(files, folder, draft)
        finally:
            with suppress(OSError):
                draft.rmdir()
    console.print(f"{dataset.name} is in {folder}\n{dataset.terms}\n")
    console.print(f"# {dataset.name}.yaml, for: genrec materialize --profile {dataset.name}.yaml", highlight=False)
    console.print(profile_yaml(dataset, folder), highlight=False, soft_wrap=True, markup=False)
    return folder


def profile_yaml(dataset: Dataset, folder: Path) -> str:
    """The profile that reads the dataset from `folder`, as YAML."""
    filled: dict[str, Any] = dict(dataset.profile)
    there = str(folder).replace("$", "$$")
    filled["source"] = {key: value.replace(FOLDER, there) for key, value in filled["source"].items()}
    return yaml.safe_dump(filled, sort_keys=False, default_flow_style=None, width=120)


def _fetched(client: httpx.Client, part: Download, draft: Path, console: Console) -> Path:
    path = draft / part.name
    if path.exists():
        return path
    partial = path.with_name(f"{part.name}.part")
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(
        TextColumn("{task.description}", markup=False), *columns, console=console, transient=True
    ) as progress:
        task = progress.add_task(part.name, total=part.size)
        download(client, part.url, partial, lambda done, total: progress.update(task, completed=done, total=total))
    partial.replace(path)
    return path


def _check(
    client: httpx.Client, part: Download, file: Path, memory: Path, sha256: Collection[str], console: Console
) -> None:
    """Raises ChecksumError, and deletes the file, where it is not what it should be."""
    published = _published(client, part)
    algorithm = published.partition(":")[0] if published else "sha256"
    found = _digest(file, algorithm)
    if published:
        wanted, whose = {published.partition(":")[2]}, f"{algorithm} that the publisher states"
    elif sha256:
        wanted, whose = {digest.lower() for digest in sha256}, "sha256 that --sha256 gives"
    else:
        wanted, whose = _remembered(memory, part.name), f"sha256 that {memory} remembers from the first time"
    if wanted and found not in wanted:
        file.unlink()
        raise ChecksumError(
            f"{part.url} has the {algorithm} {found}, which is not the {whose} ({', '.join(sorted(wanted))}): "
            "what was fetched is deleted; fetch it again, or ask the publisher"
        )
    if not wanted:
        _remember(memory, part.name, found)
        console.print(
            f"{part.name} has the sha256 {found}. Its publisher states none, so it is trusted this first time and "
            f"remembered in {memory}; compare it with someone else's, or give it with --sha256.",
            highlight=False,
        )


def _published(client: httpx.Client, part: Download) -> str | None:
    """Raises DownloadError where the publisher's checksum cannot be read."""
    if part.checksum or not part.checksum_url:
        return part.checksum
    try:
        text = client.get(part.checksum_url, timeout=TIMEOUT).raise_for_status().text
    except httpx.HTTPError as error:
        raise DownloadError(f"the checksum at {part.checksum_url} cannot be read ({error}): try again later") from error
    digest = DIGEST.search(text)
    if digest is None:
        raise DownloadError(f"{part.checksum_url} holds no md5 or sha256: look at the dataset's page whether it moved")
    return f"{ALGORITHMS[len(digest[0])]}:{digest[0].lower()}"


def _digest(file: Path, algorithm: str) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, algorithm).hexdigest()


def _remembered(memory: Path, name: str) -> set[str]:
    """The file's digest in `memory`, which is written as sha256sum writes it."""
    lines = memory.read_text().splitlines() if memory.exists() else []
    return {digest for digest, _, file in (line.partition("  ") for line in lines) if file == name}


def _remember(memory: Path, name: str, digest: str) -> None:
    known = memory.read_text() if memory.exists() else ""
    draft = memory.with_name(f".{memory.name}.draft")
    draft.write_text(f"{known}{digest}  {name}\n")
    draft.replace(memory)


def _place(files: list[Path], folder: Path, draft: Path) -> None:
    """Archives unpacked and other files as they are, in a folder that appears whole."""
    content = draft / "content"
    shutil.rmtree(content, ignore_errors=True)
    content.mkdir()
    archives = [file for file in files if is_archive(file.name)]
    for archive in archives:
        try:
            unpack(archive, content)
        except ValueError:
            shutil.rmtree(content)
            archive.unlink()
            raise
    for file in files:
        if file not in archives:
            file.replace(content / file.name)
    content.replace(folder)
    shutil.rmtree(draft)
