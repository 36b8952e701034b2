"""The admission webhook; the mutation of the pod itself is a pure function."""
