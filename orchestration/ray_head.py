"""The first moment of the local Ray head: records who it is, then becomes `ray start`.

Run as `python -m orchestration.ray_head RECORD TEMP COMMAND...` in a session of its own. Because the record is written
before Ray starts anything, there is no moment at which a kill could leave a head that nobody knows of.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from orchestration.processes import Process


def main(record: Path, temp: str, command: list[str]) -> None:
    draft = record.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({"process": asdict(Process.current()), "temp": temp, "command": command}))
    draft.replace(record)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
