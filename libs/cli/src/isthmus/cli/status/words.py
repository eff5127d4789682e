"""Numbers and times in words."""

from typing import Final

_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"))


def age(seconds: float) -> str:
    """Write how long something lasts, in the largest unit of which there are two: `90 s`, `3 min`, `2 d`."""
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def counted(count: int, what: str) -> str:
    """Write how many there are of something, in the plural where there are others than one."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def size(count: int | None) -> str:
    """Write bytes as short as they fit a column; `-` for what is not known."""
    if count is None:
        return "-"
    amount, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.0f} {units[0]}" if amount >= 100 or units[0] == "B" else f"{amount:.1f} {units[0]}"
