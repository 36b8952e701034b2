"""`python -m modelmonitor.crd [--check] [--top FOLDER]`: write the files made from the models."""

import argparse
import sys
from pathlib import Path

from modelmonitor.crd.generated import differing, write


def main() -> int:
    """Write the generated files, or with `--check` only say which differ; 1 if any does."""
    parser = argparse.ArgumentParser(prog="python -m modelmonitor.crd", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--top", type=Path, default=Path(), help="top of the project")
    arguments = parser.parse_args()
    if not arguments.check:
        for path in write(arguments.top):
            sys.stdout.write(f"wrote {path}\n")
        return 0
    stale = differing(arguments.top)
    for path in stale:
        sys.stdout.write(f"{path} differs from the models: run `make generate`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
