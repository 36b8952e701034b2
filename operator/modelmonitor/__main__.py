"""The entry point of every process: `modelmonitor ROLE` and the user's command line.

The sidecar's image holds neither typer nor pydantic, so its role is dispatched before anything of
the command line is imported.
"""

import os
import sys

COLLECTOR = "collector"


def main() -> None:
    """Run the role or command that the arguments name, and end the process with its exit code."""
    arguments = sys.argv[1:]
    if arguments[:1] == [COLLECTOR]:
        from modelmonitor.collector.main import run as run_collector

        raise SystemExit(run_collector(os.environ))
    from modelmonitor.cli.app import run

    raise SystemExit(run(arguments))


if __name__ == "__main__":
    main()
