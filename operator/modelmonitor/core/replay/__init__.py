"""Replaying the past: what a monitor would have said of rows, and what thresholds suit it."""
