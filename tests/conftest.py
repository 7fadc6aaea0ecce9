"""Settings of all tests."""

import signal

from hypothesis import settings

# A shared machine may be slow for a moment; a deadline would make that a failure.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

# A shell that starts the suite in the background lets it, and all that it starts, ignore Ctrl-C, which some tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)
