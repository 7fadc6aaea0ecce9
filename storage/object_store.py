"""Files in an object store, through the client that delta-rs brings, so that one set of options opens everything."""

from typing import Any

import pyarrow as pa
import pyarrow.fs
from deltalake.fs import DeltaStorageHandler


def object_output(root: str, path: str, options: dict[str, str] | None) -> pa.NativeFile:
    """A new object at `path` below the URI `root`, to be written and closed."""
    # deltalake's own stream refuses the buffers that pyarrow hands it and takes nothing but bytes.
    return pa.PythonFile(_BytesOnly(DeltaStorageHandler(root, options)._handler.open_output_stream(path)), "w")


def object_input(uri: str, options: dict[str, str] | None) -> pa.NativeFile:
    """An object, to be read and closed."""
    folder, _, name = uri.rpartition("/")
    return pyarrow.fs.PyFileSystem(DeltaStorageHandler(folder, options)).open_input_file(name)


def object_bytes(uri: str, options: dict[str, str] | None) -> int:
    """The size of an object."""
    folder, _, name = uri.rpartition("/")
    return int(DeltaStorageHandler(folder, options).get_file_info([name])[0].size)


class _BytesOnly:
    """A stream of which pyarrow writes, flushes and closes."""

    closed = False

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, data: Any) -> int:
        self._stream.write(bytes(data))
        return len(data)

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._stream.close()
