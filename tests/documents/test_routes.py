"""The routes of the faces are those that the table of transactions has: no more, and no fewer."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from nats.aio.client import Client
from starlette.routing import BaseRoute, Route

from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.dicomweb.resource import ROOTS
from isthmus.common.dicomweb.transactions import (
    DELETIONS,
    RETRIEVALS,
    RETRIEVE_BY_URI,
    SEARCHES,
    STORES,
    Transaction,
)
from isthmus.common.service import Parts
from isthmus.qido.app import routes as of_qido
from isthmus.stow.app import routes as of_stow
from isthmus.wado.app import routes as of_wado

OTHERS = {("GET", "/aets"), ("GET", "/aets/{origin}"), ("OPTIONS", "/")} | {
    ("OPTIONS", root) for root in ROOTS
}
"""The origins, and the capabilities (PS3.18 8.9): they are in no service."""


@pytest.mark.parametrize(
    ("routes", "transactions"),
    [(of_qido, SEARCHES), (of_wado, (*RETRIEVALS, RETRIEVE_BY_URI)), (of_stow, (*STORES, *DELETIONS))],
    ids=["qido", "wado", "stow"],
)
async def test_a_face_has_the_routes_of_its_transactions_below_each_root(
    routes: Callable[[Parts], Sequence[BaseRoute]], transactions: Sequence[Transaction]
) -> None:
    nothing = cast(Any, None)  # no route is followed
    settings = Settings(origins=(DimseOrigin(name="pacs", ae_title="PACS", port=104),))
    parts = Parts(settings, Bus(Client()), nothing)
    async with parts.closing:
        found = [
            (method, route.path)
            for route in routes(parts)
            if isinstance(route, Route)
            for method in (route.methods or set()) - {"HEAD"}
        ]
    assert len(found) == len({*found})
    assert {*found} - OTHERS == {(each.method, root + each.path) for root in ROOTS for each in transactions}
