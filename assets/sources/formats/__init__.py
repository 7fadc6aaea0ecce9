"""Readers of landing files: every row comes back, one that cannot be parsed as its text."""
