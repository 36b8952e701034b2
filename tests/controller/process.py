"""A controller process of its own for tests on a real API server: `python -m …process`."""

import asyncio
import os
import sys

from modelmonitor.controller.main import Process
from modelmonitor.core.settings import settings_from
from modelmonitor.logs import configure_logging

if __name__ == "__main__":
    SETTINGS = settings_from(os.environ)
    configure_logging(SETTINGS.logging_level)
    sys.exit(
        asyncio.run(Process(SETTINGS, metrics_port=int(os.environ["TEST_METRICS_PORT"])).run())
    )
