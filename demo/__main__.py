"""`python -m demo up` tells the story; `python -m demo down` takes away what it made."""

import argparse
import os
import sys

from demo.story import run
from demo.story.images import ImageError
from demo.story.kubectl import KubectlError
from demo.story.platforms import PlatformError, choose
from demo.story.timeline import Timeline
from demo.story.watch import ExpectationError


def main() -> int:
    """Return 0 if the story went as it must."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("what", choices=["up", "down"])
    parser.add_argument("--cluster", default="", help="local, kind or current")
    arguments = parser.parse_args()
    timeline = Timeline()
    tell = run.tell if arguments.what == "up" else run.take_away
    try:
        tell(choose(arguments.cluster, os.environ), timeline)
    except (ExpectationError, ImageError, KubectlError, PlatformError) as error:
        timeline.failure(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
