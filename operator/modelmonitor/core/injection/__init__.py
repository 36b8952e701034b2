"""Injection: which pods can be captured and how, and what stops it."""
