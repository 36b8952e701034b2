"""The command line: one module per command, `app` joins them."""
