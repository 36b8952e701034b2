"""Decoders: a request's and a response's body to named columns, one module per protocol."""
