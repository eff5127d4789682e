"""What somebody may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Give the end of a complaint about an unknown name; empty where none of the known is like it."""
    names = list(known)
    longer = [one for one in names if one.endswith(f"_{name}")]
    close = longer if len(longer) == 1 else get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""
