"""How long what is no longer the newest is kept: small files joined, and what nothing names deleted."""
