"""The shared folder of small inputs that once failed; tests that use it skip where it is not there."""

from pathlib import Path

import pytest

CASES = Path(__file__).parents[3] / "shared" / "cases"


def cases(name: str) -> Path:
    """The folder `name` of the shared cases."""
    folder = CASES / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder
