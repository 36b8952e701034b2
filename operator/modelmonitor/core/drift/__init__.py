"""Drift: plans, evidence, replicas, and the verdict on them."""
