"""Whose tables and files a folder holds: a profile's, and no other profile may write among them."""

import json
from pathlib import Path

from storage.object_store import object_input, object_output
from storage.places import is_uri

OWNER = "owner.json"


class OwnedByAnother(ValueError):
    """A folder belongs to another profile, which is still there."""


def claim(place: str, profile: str, origin: str, options: dict[str, str] | None = None) -> None:
    """Makes a folder or URI that profile's, unless it belongs to another one.

    A profile whose file was renamed or moved is the same one: where the owner's file is gone, the folder changes hands.

    Args:
        place: An existing folder, or a URI.
        profile: Name of the profile.
        origin: Its file, or the name of one that comes with the platform.
        options: Of the object store.

    Raises:
        OwnedByAnother: it belongs to another profile.
    """
    mine = {"profile": profile, "origin": origin}
    owner = _read(place, options)
    if owner == mine:
        return
    if owner and not _is_same(place, owner, mine) and _is_there(place, owner):
        raise OwnedByAnother(
            f"{place} belongs to the profile {owner['profile']} ({owner['origin']}), not to {profile} ({origin}): give "
            f"this one a name and a lake.root of its own, or delete {place.rstrip('/')}/{OWNER} if the other is gone"
        )
    _write(place, mine, options)


def _is_same(place: str, owner: dict[str, str], mine: dict[str, str]) -> bool:
    """Whether two names and files are one profile; in an object store the files may be on different machines."""
    if is_uri(place):
        return owner["profile"] == mine["profile"]
    one, other = Path(owner["origin"]), Path(mine["origin"])
    return owner["profile"] == mine["profile"] and one.exists() and other.exists() and one.samefile(other)


def _is_there(place: str, owner: dict[str, str]) -> bool:
    """Whether the owner still exists, as far as this machine knows; what comes with the platform does."""
    file = Path(owner["origin"])
    return is_uri(place) or not file.is_absolute() or file.exists()


def _read(place: str, options: dict[str, str] | None) -> dict[str, str] | None:
    try:
        if is_uri(place):
            with object_input(f"{place.rstrip('/')}/{OWNER}", options) as file:
                found = json.loads(file.read())
        else:
            found = json.loads((Path(place) / OWNER).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) and found.keys() == {"profile", "origin"} else None


def _write(place: str, owner: dict[str, str], options: dict[str, str] | None) -> None:
    told = json.dumps(owner)
    if is_uri(place):
        with object_output(place, OWNER, options) as file:
            file.write(told.encode())
        return
    draft = Path(place) / f".{OWNER}.{owner['profile']}"
    draft.write_text(told)
    draft.replace(Path(place) / OWNER)
