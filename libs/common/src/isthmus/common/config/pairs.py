"""Settings of a table that go together, and such as say the same."""

from pydantic import BaseModel


def require_both_or_none(section: BaseModel, one: str, other: str) -> None:
    """See that of two settings, such as a certificate and its key, there are both or none.

    Raises:
        ValueError: one is there without the other.
    """
    if _is_there(section, one) != _is_there(section, other):
        raise ValueError(f"{one} and {other} go together")


def require_said_once(section: BaseModel, name: str) -> None:
    """See that a secret is in the settings or in the file that they name (`..._file`), not in both.

    Raises:
        ValueError: it is.
    """
    if _is_there(section, name) and _is_there(section, f"{name}_file"):
        raise ValueError(f"{name} and {name}_file do not go together")


def _is_there(section: BaseModel, name: str) -> bool:
    return getattr(section, name) not in (None, "")
