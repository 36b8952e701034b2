"""Environments of the real servers and clients: one venv each, made once, named by content.

They lie in the project's cache folder, so that a change of `requirements/<name>.txt` makes a new
one and nothing else does. Run it to make them all, with uv's own progress:

    python -m tests.interop.venvs
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.mmcluster.settings import default_cache

REQUIREMENTS = Path(__file__).parent / "requirements"
NAMES = ("mlserver", "kserve", "mlflow", "bentoml", "openai", "triton")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_COMPLETE = "complete"
"""A file in a venv that was installed to its end."""


def environment(name: str, requirements: Path = REQUIREMENTS) -> Path:
    """Return the folder of an environment; make it if it is missing.

    Parameters
    ----------
    name
        Of the environment.
    requirements
        Folder that holds `<name>.txt`.

    Raises
    ------
    RuntimeError
        If uv cannot install it; the message ends with what uv said.
    """
    locked = requirements / f"{name}.txt"
    digest = hashlib.sha256(f"{PYTHON}\n{locked.read_text()}".encode()).hexdigest()[:12]
    folder = default_cache() / "venvs" / f"{name}-{digest}"
    if (folder / _COMPLETE).exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_suffix(".lock")):
        if not (folder / _COMPLETE).exists():
            _install(folder, locked)
    return folder


def _install(folder: Path, requirements: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv") or "uv"
    for command in (
        [uv, "venv", "--quiet", "--python", PYTHON, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", str(folder), "-r", str(requirements)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{requirements.name} cannot be installed: {done.stderr}")
    (folder / _COMPLETE).touch()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time make an environment; the others find it made."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Make what is missing, all at once, and say how long each took."""

    def make(name: str) -> None:
        began = time.monotonic()
        folder = environment(name)
        print(f"{name:9} {time.monotonic() - began:5.1f} s  {folder}", flush=True)

    with ThreadPoolExecutor(len(NAMES)) as pool:
        for made in [pool.submit(make, name) for name in NAMES]:
            made.result()


if __name__ == "__main__":
    main()
