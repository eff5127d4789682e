"""Wild card matching (PS3.4 C.2.2.2.4): `*` for any characters, or none, and `?` for any one."""

import re


def is_universal(text: str) -> bool:
    """Tell whether a key's value matches everything: it is empty, or nothing but `*`."""
    return not text.strip("* ")


def compile_wildcards(text: str) -> re.Pattern[str]:
    """Translate wild cards into a pattern for `fullmatch`.

    Each stretch between two `*` is atomic: where it is found first is where it stays, since what follows can
    only gain by it. So no text, however hostile, makes the time grow by more than its own length.
    """
    first, *others = (_literal(stretch) for stretch in text.split("*"))
    if not others:
        return re.compile(first, re.DOTALL)
    *middle, last = others
    found = "".join(f"(?>.*?{stretch})" for stretch in middle if stretch)
    return re.compile(f"{first}{found}.*{last}", re.DOTALL)


def _literal(stretch: str) -> str:
    return "".join("." if character == "?" else re.escape(character) for character in stretch)
