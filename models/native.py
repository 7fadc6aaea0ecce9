"""C++ kernels, compiled for this machine's processor when they are first used.

Plain C functions over raw pointers, loaded with ctypes: nothing of PyTorch's C++ interface is touched, so a kernel
builds in seconds and outlives an upgrade of PyTorch. Where PyTorch is loaded, OpenMP is its copy, so that both draw on
one pool of threads; import it before the first kernel that uses OpenMP.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

COMPILER_VARIABLE = "CXX"
CACHE_VARIABLE = "GENREC_KERNEL_CACHE"
FLAGS = ("-O3", "-march=native", "-std=c++17", "-fopenmp", "-fPIC", "-shared", "-fno-math-errno")


class NoCompiler(RuntimeError):
    """There is no C++ compiler, or it refuses the kernels."""


@cache
def kernel(source: Path, *macros: str) -> ctypes.CDLL:
    """The library compiled from `source` and the headers beside it, with `macros` ("NAME=text") defined.

    It is kept in a cache folder (GENREC_KERNEL_CACHE, by default genrec/kernels in the user's cache folder) under a
    name made from the code, the compiler and the processor, so that machines may share the folder.

    Raises:
        NoCompiler: none of $CXX, c++, g++ and clang++ is there, or it fails.
    """
    compiler = _compiler()
    if compiler is None:
        raise NoCompiler("no C++ compiler found: install g++, or name one in CXX")
    flags = (*FLAGS, *(f"-D{macro}" for macro in macros))
    library = _cache_folder() / f"{source.stem}-{_fingerprint(source, compiler, flags)}.so"
    if not library.exists():
        _compile(compiler, flags, source, library)
    return ctypes.CDLL(str(library))


@cache
def compiles(source: Path, *macros: str) -> bool:
    """Whether `kernel(source, *macros)` can be had here; warns once where it cannot."""
    try:
        kernel(source, *macros)
    except NoCompiler as reason:
        warnings.warn(f"{reason}; library calls compute in its place, several times slower", stacklevel=2)
        return False
    return True


def _compiler() -> str | None:
    asked = os.environ.get(COMPILER_VARIABLE)
    names = (asked,) if asked is not None else ("c++", "g++", "clang++")
    return next((found for name in names if (found := shutil.which(name))), None)


def _cache_folder() -> Path:
    asked = os.environ.get(CACHE_VARIABLE)
    home = os.environ.get("XDG_CACHE_HOME")
    folder = Path(asked) if asked else (Path(home) if home else Path.home() / ".cache") / "genrec" / "kernels"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    # Where nothing can be kept, as in a container with a read-only home, each process compiles for itself.
    return folder if os.access(folder, os.W_OK) else Path(tempfile.mkdtemp(prefix="genrec-kernels-"))


def _fingerprint(source: Path, compiler: str, flags: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for file in [*sorted(source.parent.glob("*.h")), source]:
        digest.update(file.read_bytes())
    digest.update(" ".join(flags).encode())
    digest.update(subprocess.run([compiler, "--version"], capture_output=True, check=False).stdout)
    digest.update(_processor())
    return digest.hexdigest()[:16]


def _processor() -> bytes:
    info = Path("/proc/cpuinfo")
    lines = info.read_bytes().splitlines() if info.exists() else [" ".join(os.uname()).encode()]
    return (
        b"\n".join(sorted({line for line in lines if line.startswith((b"flags", b"Features", b"model"))})) or lines[0]
    )


def _compile(compiler: str, flags: Sequence[str], source: Path, library: Path) -> None:
    """Compiles under a temporary name and renames, so that processes that start together never load half a file."""
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        built = Path(folder) / library.name
        done = subprocess.run([compiler, *flags, str(source), "-o", str(built)], capture_output=True, text=True)
        if done.returncode:
            raise NoCompiler(f"{compiler} cannot compile {source.name}: {done.stderr.strip()[:2000]}")
        built.replace(library)
