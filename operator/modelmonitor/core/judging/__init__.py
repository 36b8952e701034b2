"""Judging: metrics of every type, from windows of panes to verdicts."""
