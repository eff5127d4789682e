"""A secret in a file, which may be replaced while we run."""

from pathlib import Path

from isthmus.common.config.files import secret_in, state_of
from isthmus.common.errors import OriginUnreachable
from isthmus.common.telemetry import get_logger

_log = get_logger(__name__)


class SecretFile:
    """What a file holds: one line, of printable ASCII where it goes into a header as it is."""

    def __init__(self, path: Path, origin: str, *, in_header: bool = False) -> None:
        """Read nothing yet.

        Args:
            path: the file.
            origin: whose it is, for errors.
            in_header: whether it goes into a header as it is, so that not every character can.
        """
        self._path = path
        self._origin = origin
        self._in_header = in_header
        self._state: tuple[int, int, int] | None = None
        self._text = ""

    def __repr__(self) -> str:
        """Show where it is, and nothing of it."""
        return f"SecretFile({str(self._path)!r})"

    def text(self) -> str:
        """Give what it holds now, without blanks and line ends around it.

        Raises:
            OriginUnreachable: it cannot be read, or holds nothing that can be sent; quotes nothing of it.
        """
        try:
            state = state_of(self._path)
            if state is None or state != self._state:
                self._text = secret_in(self._path, in_header=self._in_header)
                self._state = state
        except ValueError as error:
            _log.error(
                "a secret cannot be read", origin=self._origin, path=str(self._path), reason=str(error)
            )
            detail = "Our credentials for the origin cannot be read"
            raise OriginUnreachable(detail, origin=self._origin) from None
        return self._text
