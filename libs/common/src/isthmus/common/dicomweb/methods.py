"""Which methods a resource has, whichever of the faces serves them (RFC 9110 10.2.1)."""

from collections.abc import Collection
from itertools import groupby
from operator import attrgetter
from typing import Final

from starlette.routing import compile_path

from isthmus.common.dicomweb.resource import ALL, ROOTS, service_path
from isthmus.common.dicomweb.transactions import DELETIONS, TRANSACTIONS

_DELETE: Final = DELETIONS[0].method


def _with_head(methods: set[str]) -> frozenset[str]:
    return frozenset(methods | ({"HEAD"} if "GET" in methods else set()))


_SERVICES: Final = tuple(
    (compile_path(path)[0], frozenset(methods))
    for path, methods in (
        (service_path("{origin}"), {"GET", "HEAD", "OPTIONS"}),
        (service_path(ALL), {"OPTIONS"}),
        ("/", {"OPTIONS"}),
    )
)
"""What the roots have: how an origin is, and what can be asked there (PS3.18 8.9)."""
_RESOURCES: Final = _SERVICES + tuple(
    (compile_path(root + path)[0], _with_head({each.method for each in transactions}))
    for path, transactions in (
        (path, [*group])
        for path, group in groupby(sorted(TRANSACTIONS, key=attrgetter("path")), attrgetter("path"))
    )
    for root in ROOTS
)


def methods_at(path: str, inboxes: Collection[str]) -> tuple[str, ...]:
    """Give the methods of the resource at a path, as an Allow header lists them; none where it is not known.

    Args:
        path: Of a URL, decoded.
        inboxes: The names of those origins from which something can be deleted.
    """
    for pattern, methods in _RESOURCES:
        found = pattern.match(path)
        if found is not None:
            deletes = found.groupdict().get("origin") in inboxes
            return tuple(sorted(methods if deletes else methods - {_DELETE}))
    return ()
