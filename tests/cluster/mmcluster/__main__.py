"""Entry point of ``python3 tests/cluster``."""

from .cli import main

main()
