"""The baseline: its profile, how it is built, learned, merged, and compared by the hour."""
