"""Panes and what they add up to: over replicas, over time, over hours."""
