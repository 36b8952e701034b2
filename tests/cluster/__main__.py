"""Run the local cluster's command line with any Python 3.11: `python3 tests/cluster up`."""

import runpy

runpy.run_module("mmcluster", run_name="__main__", alter_sys=True)
