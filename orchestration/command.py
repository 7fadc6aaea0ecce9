"""Where the command `genrec` begins: what it imports takes a while, and a signal counts from the first moment."""

from orchestration import collector
from orchestration.error_messages import errors_as_sentences


def main() -> None:
    """Runs the command that the arguments name, and exits with its code."""
    with errors_as_sentences(patience=None):
        collector.adapt()
        from orchestration.cli import app

        app()


if __name__ == "__main__":
    main()
