"""Values to counts: what observer and profile builder both count through."""
