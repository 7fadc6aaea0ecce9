"""Where there is no room for what does not fit into memory, one sentence names the file."""

import subprocess
import sys
from pathlib import Path

CODE = """
import resource, sys
from pathlib import Path
import polars as pl
from assets.events.clean import Run
rows = pl.DataFrame({"day": [0] * 50_000, "hash_slot": [1] * 50_000, "source_file": ["f"] * 50_000})
rows = rows.with_columns(pl.col("day").cast(pl.Date), pl.col("hash_slot").cast(pl.Int16))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    Run.write(rows, Path(sys.argv[1]))
except OSError as error:
    print(error)
"""


def test_a_run_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run-0.arrow"
    done = subprocess.run([sys.executable, "-c", CODE, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{path} cannot be written (")
    assert "make room or mend the store, then run again" in done.stdout
