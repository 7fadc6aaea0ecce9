"""A side of the training benchmark as a process of its own, which trains one epoch when told and sleeps between.

The sides need different libraries, and each brings its own thread pool; while one trains, the others wait in a read of
their pipe and take no core. The child prints a line of JSON when it is ready, and one with `tokens` after every epoch;
before each epoch it waits for a line.
"""

import json
import subprocess
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from types import TracebackType

GO = "epoch\n"


class Contestant:
    """The parent's end. Use it as a context: leaving it ends the process. It does not wait for the child to be ready.

    Args:
        name: What to call it in errors.
        command: Starts the child.
        environment: All of the child's environment; None: that of this process.
        folder: Where the child runs; None: where this process does.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: dict[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._last_words: deque[str] = deque(maxlen=20)
        # A child whose messages nobody reads stops when the pipe is full.
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._ready = False

    def epoch(self) -> int:
        """Has the child train one epoch and returns how many tokens it trained on.

        Raises:
            RuntimeError: the child ended.
        """
        stdin = self.process.stdin
        assert stdin is not None
        if not self._ready:
            self._answer()
            self._ready = True
        try:
            stdin.write(GO)
            stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        return int(self._answer()["tokens"])

    def __enter__(self) -> "Contestant":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()

    def _answer(self) -> dict[str, int]:
        stdout = self.process.stdout
        assert stdout is not None
        line = stdout.readline()
        if not line:
            raise self._ended()
        answer: dict[str, int] = json.loads(line)
        return answer

    def _ended(self) -> RuntimeError:
        self._listener.join()
        return RuntimeError(f"{self.name} ended in the middle of the benchmark: {' '.join(self._last_words)[-800:]}")

    def _listen(self) -> None:
        stderr = self.process.stderr
        assert stderr is not None
        self._last_words.extend(line.strip() for line in stderr)
