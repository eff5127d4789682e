"""What every failure is."""

from typing import ClassVar


class IsthmusError(Exception):
    """A failure with a detail that a person can read; it never holds patient data."""

    title: ClassVar[str] = "Something failed"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
