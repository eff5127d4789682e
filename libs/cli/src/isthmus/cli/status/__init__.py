"""`isthmus status`: how all parts of a running system are doing, on one screen."""

from isthmus.cli.status.command import status

__all__ = ["status"]
