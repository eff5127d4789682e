"""What `isthmus status` reads of metrics is there: what it does not find is nothing to it."""

from isthmus.cli.status.metrics import ASSOCIATIONS, CACHE_BYTES, CIRCUIT_OPEN, CLIENTS, ORIGIN
from tests.observability.exported import defined


def test_services_export_what_is_read_of_them() -> None:
    by_origin, alone = frozenset({ORIGIN}), frozenset[str]()
    read = {CIRCUIT_OPEN: by_origin, ASSOCIATIONS: by_origin, CLIENTS: alone, CACHE_BYTES: alone}
    assert read.items() <= defined().items()
