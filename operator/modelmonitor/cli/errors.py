"""How a command fails: one sentence on standard error, exit code 1."""


class CommandError(Exception):
    """A command cannot go on; the message tells the user what was wrong and what to do."""
