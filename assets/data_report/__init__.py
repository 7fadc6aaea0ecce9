"""What a log is like, before anything is made of it."""
