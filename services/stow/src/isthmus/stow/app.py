"""The resources of STOW-RS (PS3.18 Table 10.5.1-1), and deletion."""

from collections.abc import Sequence
from functools import partial

from starlette.routing import BaseRoute

from isthmus.common.access import AccessRoute
from isthmus.common.access.studies import Studies
from isthmus.common.auth import Right
from isthmus.common.dicomweb.resource import ROOTS
from isthmus.common.dicomweb.transactions import DELETIONS, STORES
from isthmus.common.pixels.processes import PixelProcesses
from isthmus.common.service import Parts
from isthmus.stow.delete import Deleting
from isthmus.stow.settings import StowSettings
from isthmus.stow.store import Storing, store


def routes(parts: Parts) -> Sequence[BaseRoute]:
    """Give the routes of the service."""
    settings = StowSettings.of(parts.settings)
    pixels = parts.settings.pixels
    processes = PixelProcesses(pixels.processes, pixels.timeout_seconds)
    parts.closing.callback(processes.close)
    storing = partial(store, Storing(settings, parts.bus, parts.blobs, processes))
    deleting = Deleting(settings, parts.bus, Studies.of(parts.bus, parts.settings)).delete
    return [
        AccessRoute(root + transaction.path, endpoint, right=right, methods=[transaction.method])
        for root in ROOTS
        for endpoint, transactions, right in (
            (storing, STORES, Right.STORE),
            (deleting, DELETIONS, Right.DELETE),
        )
        for transaction in transactions
    ]
