"""The command `genrec bench`: measures what this project claims, and ends with one line of JSON."""

import typer

from benchmarks.commands import data, endpoint, quality, speed

app = typer.Typer(help="Measures what this project claims; docs/benchmarks.md says how.", no_args_is_help=True)
for topic in (quality, speed, data, endpoint):
    app.add_typer(topic.app)
