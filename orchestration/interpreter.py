"""This very Python on a path that Ray can start it by: of one with a space in it, its shell commands make two words.

Run as `python -m orchestration.interpreter`, it tells that path.
"""

import sys
from pathlib import Path

from storage.places import plain


def interpreter() -> str:
    """The path of this Python, or a link to it on a path of letters, digits and `/._+-`."""
    python, environment = Path(sys.executable), Path(sys.prefix)
    if not python.is_relative_to(environment):
        return str(python)
    return str(plain(environment) / python.relative_to(environment))


if __name__ == "__main__":
    print(interpreter())
