"""Published datasets on this machine, in GENREC_TEST_DATA or in `shared/data` beside the clone."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("GENREC_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")


def needs(path: Path) -> pytest.MarkDecorator:
    """Skips a test where a file or folder of `DATA` is not there."""
    return pytest.mark.skipif(not path.exists(), reason=f"{path} is not there: set GENREC_TEST_DATA")
