"""Run the local cluster's command line: `python3 tests/cluster up` (no installation, no virtual environment)."""

import runpy

runpy.run_module("mmcluster", run_name="__main__", alter_sys=True)
