"""`genrec init`: a profile for the files of someone whom nobody asked anything."""

from orchestration.init.write_profile import write_profile

__all__ = ["write_profile"]
