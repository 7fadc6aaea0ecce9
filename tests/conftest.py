"""Settings of all tests."""

from hypothesis import settings

# A shared machine may be slow for a moment; a deadline would make that a failure.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
