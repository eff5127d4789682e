"""What a token claims of somebody (RFC 7519 4), as far as rules name it."""

from collections.abc import Iterable, Mapping
from typing import Final

from isthmus.common.config.access import Rule

Claims = Mapping[str, object]
"""The payload of a token."""
_LISTS_IN_TEXT: Final = frozenset({"scope", "scp"})
"""Values separated by blanks (RFC 8693 4.2)."""


def wanted_claims(rules: Iterable[Rule]) -> Mapping[str, frozenset[str]]:
    """Give the claims that rules name, each with all the values that they name: no others need be known."""
    wanted: dict[str, frozenset[str]] = {}
    for rule in rules:
        for name, values in rule.claims.items():
            wanted[name] = wanted.get(name, frozenset()) | values
    return wanted


def held_claims(claims: Claims, wanted: Mapping[str, frozenset[str]]) -> dict[str, tuple[str, ...]]:
    """Give what of the wanted a token holds; a claim of which it holds no value is left out."""
    found = {name: wanted[name].intersection(_texts(name, _at(claims, name))) for name in wanted}
    return {name: tuple(sorted(values)) for name, values in found.items() if values}


def text_at(claims: Claims, name: str) -> str | None:
    """Give a claim that is one text that can be shown; None where it is not."""
    value = _at(claims, name)
    return value if isinstance(value, str) and value and value.isprintable() else None


def _at(claims: Claims, name: str) -> object:
    """Find a claim by its name, or by a path: `realm_access.roles` lies in what `realm_access` holds."""
    if name in claims:  # a name may have dots itself: https://hospital.example.org/roles
        return claims[name]
    value: object = claims
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    return value


def _texts(name: str, value: object) -> Iterable[str]:
    if isinstance(value, str):
        return value.split(" ") if name in _LISTS_IN_TEXT else (value,)
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, int):
        return (str(value),)
    return (one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
