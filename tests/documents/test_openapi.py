"""docs/openapi.yaml is made of the code, is OpenAPI, and leaves out nothing that is served."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
import yaml
from nats.aio.client import Client
from openapi_spec_validator import validate
from starlette.routing import BaseRoute, Route

from isthmus.common.access import AccessRoute
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.dicomweb import problem
from isthmus.common.service import Parts
from isthmus.common.service.health import health_routes
from isthmus.qido.app import routes as of_qido
from isthmus.stow.app import routes as of_stow
from isthmus.wado.app import routes as of_wado
from tests.documents.openapi import PAGE, document, written
from tests.documents.openapi_parts import WORDS


def test_the_description_says_what_the_tables_say() -> None:
    assert PAGE.read_text() == written(), "make docs writes it anew"


def test_the_description_is_openapi() -> None:
    validate(yaml.safe_load(PAGE.read_text()))


async def routes() -> dict[tuple[str, str], BaseRoute]:
    """Give what all faces serve, by method and path."""
    nothing = cast(Any, None)  # no route is followed
    settings = Settings(origins=(DimseOrigin(name="pacs", ae_title="PACS", port=104),))
    parts = Parts(settings, Bus(Client()), nothing)
    faces: Sequence[Callable[[Parts], Sequence[BaseRoute]]] = (of_qido, of_wado, of_stow, health_routes)
    async with parts.closing:
        return {
            (method, route.path.replace(":path", "")): route
            for face in faces
            for route in face(parts)
            if isinstance(route, Route)
            for method in (route.methods or set()) - {"HEAD"}
        }


def described() -> dict[tuple[str, str], dict[str, Any]]:
    """Give the operations, by method and path."""
    paths = cast("dict[str, dict[str, Any]]", document()["paths"])
    return {
        (method.upper(), path): operation
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method not in {"parameters", "servers"}
    }


async def test_every_route_of_every_face_is_described_and_no_other() -> None:
    assert {*described()} == {*await routes()}


async def test_an_operation_takes_the_right_that_its_route_takes() -> None:
    operations = described()
    for key, route in (await routes()).items():
        if isinstance(route, AccessRoute):
            right = None if route.right is None else route.right.value
            assert operations[key].get("x-isthmus-right") == right, key


def test_the_id_of_an_operation_is_of_one_alone() -> None:
    ids = [operation["operationId"] for operation in described().values()]
    assert len(ids) == len({*ids})


@pytest.mark.parametrize("status", sorted({kind[0].value for kind in problem._KINDS.values()}))
def test_every_status_of_an_error_is_explained(status: int) -> None:
    assert status in WORDS
