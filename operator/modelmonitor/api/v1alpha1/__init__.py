"""The public API, version v1alpha1: what users write and read."""
