"""Links to studies at the gateway: in front of a path they go to where they were."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from isthmus.cli.embedded import EmbeddedGateway
from tests.cli.face import Face
from tests.peers import free_ports


@pytest.fixture
async def faces() -> AsyncIterator[list[Face]]:
    started = [Face(name) for name in ("qido", "wado", "stow")]
    listening = [await face.start() for face in started]
    yield started
    for server in listening:
        server.close()


async def test_a_path_with_a_link_leads_to_the_face_without_it(tmp_path: Path, faces: list[Face]) -> None:
    qido, wado, stow = ([face.address] for face in faces)
    (port,) = free_ports(1)
    asked = {
        "/links/isl_a-b_C/aets/pacs/studies/1.2/metadata": (
            "wado",
            "/aets/pacs/studies/1.2/metadata?link=isl_a-b_C",
        ),
        "/links/isl_a/dicomweb/studies?limit=1&accept=a/b;c=%2C": (
            "qido",
            "/dicomweb/studies?limit=1&accept=a/b;c=%2C&link=isl_a",
        ),
        "/links/isl_a/dicomweb/studies/1.2/series/3/instances/4/frames/1%2C2": (
            "wado",
            "/dicomweb/studies/1.2/series/3/instances/4/frames/1%2C2?link=isl_a",
        ),
        "/links/isl_a/aets": ("qido", "/aets?link=isl_a"),
    }
    server = EmbeddedGateway(tmp_path, "127.0.0.1", port, qido=qido, wado=wado, stow=stow)
    async with server, httpx2.AsyncClient(base_url=server.url, trust_env=False) as client:
        for path, (name, target) in asked.items():
            assert (await client.get(path)).text == name
            face = next(face for face in faces if face.name == name)
            assert face.heads[-1].split()[1] == target
        for path in (
            "/links/isl_a/etc",
            "/links/isl_a",
            "/links//aets",
            "/links/a%2Fb/aets",
            "/links/a/b/aets",
        ):
            assert (await client.get(path)).status_code == 404
