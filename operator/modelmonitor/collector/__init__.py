"""The sidecar: a supervisor, the splice in the path of the bytes, the observer beside it."""
