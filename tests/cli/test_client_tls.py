"""The commands, before a gateway that speaks TLS: they trust its own certificate, and no other one."""

import asyncio
import ssl
from pathlib import Path

import pytest

from isthmus.cli.client import Gateway, GatewayAway
from isthmus.cli.run_file import RunFile
from tests.certificates import Authority, Identity
from tests.cli.conftest import OPERATOR_KEY
from tests.cli.face import Face, answer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


async def search(gateway: Face, data: Path, own: Identity, told: Path) -> None:
    """Search by a gateway with this certificate, of which run.json tells another file."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own.certificate, own.key)
    gateway.handler = answer("200 OK", "application/dicom+json", b"[]")
    listening = await asyncio.start_server(gateway._serve, "127.0.0.1", 0, ssl=context)
    port = listening.sockets[0].getsockname()[1]
    run = RunFile.read(data)
    run.model_copy(update={"gateway": f"https://127.0.0.1:{port}", "certificate": told}).write(data)
    try:
        async with Gateway.of(data) as client:
            await client.search("/aets/pacs/studies", [])
    finally:
        listening.close()


async def test_the_gateway_is_known_by_its_certificate_whatever_name_it_has(
    gateway: Face, data: Path, authority: Authority
) -> None:
    own = authority.signs("pacs.example.org", hosts=["pacs.example.org"])
    chain = data / "chain.pem"
    chain.write_bytes(own.certificate.read_bytes() + authority.certificate.read_bytes())
    await search(gateway, data, own, chain)
    assert OPERATOR_KEY in gateway.heads[-1]


async def test_nobody_else_hears_the_key_though_the_same_authority_has_signed(
    gateway: Face, data: Path, authority: Authority
) -> None:
    own, other = authority.signs("gateway"), authority.signs("other")
    chain = data / "chain.pem"
    chain.write_bytes(own.certificate.read_bytes() + authority.certificate.read_bytes())
    with pytest.raises(GatewayAway, match=r"^unable to get local issuer certificate at https://127"):
        await search(gateway, data, other, chain)
    assert not gateway.heads


async def test_a_file_without_a_certificate_is_named(gateway: Face, data: Path) -> None:
    run, empty = RunFile.read(data), data / "empty.pem"
    empty.write_text("nothing")
    for file in (empty, data / "gone.pem"):
        run.model_copy(update={"certificate": file}).write(data)
        with pytest.raises(GatewayAway, match=file.name):
            async with Gateway.of(data):
                pass
