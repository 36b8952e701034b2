"""The splice: forwards bytes, then copies them; parses nothing."""
