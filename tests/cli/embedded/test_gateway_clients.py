"""What the gateway tells the faces of its clients, over TLS and without."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import httpx2
import pytest

from isthmus.cli.embedded import EmbeddedGateway
from isthmus.cli.embedded.gateway import GatewayTls
from isthmus.common.auth.certificates import subject_in
from tests import planted
from tests.certificates import Authority, Identity
from tests.cli.face import Face
from tests.peers import free_ports

SECRET = planted.secret("gateway")
FORGED = {
    "Isthmus-Gateway": "guessed",
    "isthmus-client-certificate": "CN=chief",
    "X-Forwarded-For": "10.1.2.3",
}


@pytest.fixture
async def face() -> AsyncIterator[Face]:
    face = Face("face")
    listening = await face.start()
    yield face
    listening.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> Identity:
    return authority.signs("gateway")


def gateway(
    directory: Path, face: Face, tls: GatewayTls | None, trusted_proxies: Sequence[str] = ()
) -> EmbeddedGateway:
    behind = [face.address]
    (port,) = free_ports(1)
    return EmbeddedGateway(
        directory,
        "127.0.0.1",
        port,
        qido=behind,
        wado=behind,
        stow=behind,
        secret=SECRET,
        tls=tls,
        trusted_proxies=trusted_proxies,
    )


def trusting(authority: Authority, client: Identity | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.certificate)
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    return context


async def head(
    face: Face,
    server: EmbeddedGateway,
    context: ssl.SSLContext | bool = True,
    headers: Mapping[str, str] = FORGED,
) -> dict[str, str]:
    """Ask with headers that only the gateway may set, and give those that the face gets."""
    async with httpx2.AsyncClient(base_url=server.url, trust_env=False, verify=context) as client:
        response = await client.get("/aets", headers=headers)
    assert response.status_code == 200
    lines = face.heads.pop().splitlines()[1:]
    pairs = [line.split(": ", 1) for line in lines if line]
    names = [name.lower() for name, _ in pairs]
    assert len({*names}) == len(names)
    return {name.lower(): value for name, value in pairs}


async def test_what_clients_say_of_themselves_reaches_no_face(tmp_path: Path, face: Face) -> None:
    async with gateway(tmp_path, face, None) as server:
        got = await head(face, server)
    assert got["isthmus-gateway"] == SECRET
    assert got["x-forwarded-for"] == "127.0.0.1"
    assert "isthmus-client-certificate" not in got


async def test_a_client_cannot_have_the_gateway_leave_out_who_he_is(tmp_path: Path, face: Face) -> None:
    named = {"Connection": "close, Isthmus-Gateway, X-Forwarded-For, Isthmus-Client-Certificate"}
    async with gateway(tmp_path, face, None) as server:
        got = await head(face, server, headers=FORGED | named)
    assert (got["isthmus-gateway"], got["x-forwarded-for"]) == (SECRET, "127.0.0.1")
    assert "isthmus-client-certificate" not in got


@pytest.mark.parametrize(
    ("trusted", "said", "told"),
    [
        ((), "10.1.2.3", "127.0.0.1"),
        (["10.0.0.0/8"], "192.0.2.7", "127.0.0.1"),
        (["127.0.0.1"], "192.0.2.7", "192.0.2.7"),
        (["127.0.0.1"], "2001:db8::7", "2001:db8::7"),
        (["127.0.0.1"], "10.7.0.1, 192.0.2.7", "192.0.2.7"),
        (["127.0.0.1", "10.0.0.0/8"], "10.7.0.1, 192.0.2.7, 10.1.2.3", "192.0.2.7"),
        (["127.0.0.1"], "nobody", "127.0.0.1"),
    ],
)
async def test_of_a_trusted_proxy_alone_the_gateway_believes_who_the_client_is(
    tmp_path: Path, face: Face, trusted: Sequence[str], said: str, told: str
) -> None:
    async with gateway(tmp_path, face, None, trusted) as server:
        got = await head(face, server, headers={"X-Forwarded-For": said})
    assert (got["x-forwarded-for"], got["isthmus-gateway"]) == (told, SECRET)


async def test_a_verified_certificate_is_told_and_one_need_not_have_any(
    tmp_path: Path, face: Face, authority: Authority, own: Identity
) -> None:
    tls = GatewayTls(own.certificate, own.key, authority.certificate)
    async with gateway(tmp_path, face, tls) as server:
        assert server.url.startswith("https://")
        known = await head(face, server, trusting(authority, authority.signs("ct1")))
        unknown = await head(face, server, trusting(authority))
    assert (subject_in(known["isthmus-client-certificate"]), known["isthmus-gateway"]) == ("CN=ct1", SECRET)
    assert "isthmus-client-certificate" not in unknown
    assert unknown["isthmus-gateway"] == SECRET


async def test_a_certificate_of_another_authority_gets_no_connection(
    tmp_path: Path, face: Face, authority: Authority, own: Identity
) -> None:
    stranger = Authority(tmp_path / "elsewhere", "stranger").signs("ct1")
    tls = GatewayTls(own.certificate, own.key, authority.certificate)
    async with gateway(tmp_path, face, tls) as server:
        with pytest.raises((httpx2.TransportError, ssl.SSLError)):
            await head(face, server, trusting(authority, stranger))
    assert not face.heads


async def test_without_an_authority_for_clients_nobody_is_asked_for_a_certificate(
    tmp_path: Path, face: Face, authority: Authority, own: Identity
) -> None:
    async with gateway(tmp_path, face, GatewayTls(own.certificate, own.key)) as server:
        got = await head(face, server, trusting(authority, authority.signs("ct2")))
    assert "isthmus-client-certificate" not in got


@pytest.mark.parametrize(
    ("version", "accepted"),
    [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)],
)
async def test_only_tls_1_2_and_later_is_spoken(
    tmp_path: Path,
    face: Face,
    authority: Authority,
    own: Identity,
    version: ssl.TLSVersion,
    accepted: bool,
) -> None:
    wanted = {
        ssl.TLSVersion.TLSv1_1: "-tls1_1",
        ssl.TLSVersion.TLSv1_2: "-tls1_2",
        ssl.TLSVersion.TLSv1_3: "-tls1_3",
    }
    async with gateway(tmp_path, face, GatewayTls(own.certificate, own.key)) as server:
        address = server.url.removeprefix("https://")
        client = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", "-connect", address, wanted[version], "-cipher", "DEFAULT@SECLEVEL=0"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await client.communicate()
    assert (b"BEGIN CERTIFICATE" in said) is accepted


async def test_the_secret_is_in_no_argument_and_no_file(tmp_path: Path, face: Face) -> None:
    async with gateway(tmp_path, face, None) as server:
        await head(face, server)
        arguments = server.program.command
    assert not [argument for argument in arguments if SECRET in argument]
    assert not files_with(SECRET, tmp_path)


def files_with(text: str, directory: Path) -> list[Path]:
    return [file for file in directory.rglob("*") if file.is_file() and text in file.read_text()]
