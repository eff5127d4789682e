"""TLS: whom we trust, and who learns who we are."""

import asyncio
from pathlib import Path

import pytest

from isthmus.common.errors import OriginUnreachable, SettingsError
from isthmus.common.webclient import WebClient
from tests.certificates import Authority, pem_of, rsa_key
from tests.common.webclient.web_origin import Behaviour, Request, Site, origin_at, says, written


def notes_its_client(clients: list[str | None]) -> Behaviour:
    """Write down by what common name the client comes."""

    async def behaviour(request: Request, writer: asyncio.StreamWriter) -> None:
        certificate = writer.get_extra_info("ssl_object").getpeercert()
        names = dict(field[0] for field in certificate["subject"]) if certificate else {}
        clients.append(names.get("commonName"))
        await says("200 OK", "[]")(request, writer)

    return behaviour


async def test_an_authority_of_our_own(authority: Authority) -> None:
    async with (
        Site(authority.server()).listening() as site,
        WebClient(origin_at(site.url, ca_file=authority.certificate)) as client,
    ):
        assert len((await client.get_json("studies")).data_sets) == 1


async def test_whom_nobody_vouches_for_hears_nothing(authority: Authority, tmp_path: Path) -> None:
    token = written(tmp_path / "token", "secret")
    async with Site(authority.server()).listening() as site:
        async with WebClient(origin_at(site.url, token_file=token)) as client:
            with pytest.raises(OriginUnreachable, match="Its certificate does not verify"):
                await client.get_json("studies")
        assert site.requests == []


async def test_who_has_the_certificate_of_another_hears_nothing(authority: Authority) -> None:
    async with Site(authority.server()).listening() as site:
        url = site.url.replace("127.0.0.1", "localhost")
        async with WebClient(origin_at(url, ca_file=authority.certificate)) as client:
            with pytest.raises(OriginUnreachable, match="does not verify"):
                await client.get_json("studies")
        assert site.requests == []


async def test_who_speaks_no_tls_hears_nothing(site: Site) -> None:
    async with WebClient(origin_at(site.url.replace("http:", "https:"), timeout_seconds=0.6)) as client:
        with pytest.raises(OriginUnreachable):
            await client.get_json("studies")
    assert site.requests == []


async def test_the_origin_learns_who_we_are(authority: Authority) -> None:
    us = authority.signs("isthmus")
    async with Site(authority.server(asks=True)).listening() as site:
        clients: list[str | None] = []
        site.does(notes_its_client(clients))
        origin = origin_at(
            site.url, ca_file=authority.certificate, certificate_file=us.certificate, key_file=us.key
        )
        async with WebClient(origin) as client:
            await client.get_json("studies")
    assert clients == ["isthmus"]


async def test_where_it_sends_us_nobody_learns_it(authority: Authority) -> None:
    us = authority.signs("isthmus")
    async with (
        Site(authority.server(asks=True)).listening() as site,
        Site(authority.server(asks=True)).listening() as other,
    ):
        clients: list[str | None] = []
        site.does(says("302 There", "", f"Location: {other.url}/x"))
        other.does(notes_its_client(clients))
        origin = origin_at(
            site.url, ca_file=authority.certificate, certificate_file=us.certificate, key_file=us.key
        )
        async with WebClient(origin) as client:
            await client.get_json("studies")
    assert clients == [None]


@pytest.mark.parametrize("content", [None, "no certificate"])
@pytest.mark.parametrize("key", ["ca_file", "certificate_file"])
async def test_a_file_that_holds_no_certificate(tmp_path: Path, key: str, content: str | None) -> None:
    path = tmp_path / "file.pem"
    if content is not None:
        written(path, content)
    more = {"key_file": path} if key == "certificate_file" else {}
    with pytest.raises(SettingsError, match=f"origin cloud: {key}.*{path}") as caught:
        async with WebClient(origin_at("https://127.0.0.1:1", **{key: path}, **more)):
            pass
    assert ("No such file" if content is None else "holds no") in caught.value.detail


async def test_a_file_of_the_environment_is_not_called_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "absent.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(SettingsError, match=f"origin cloud: environment: SSL_CERT_FILE {path}: No such file"):
        async with WebClient(origin_at("https://127.0.0.1:1")):
            pass


async def test_a_key_that_wants_a_passphrase_is_not_asked_for_on_the_terminal(
    authority: Authority, tmp_path: Path
) -> None:
    us = authority.signs("isthmus")
    locked = tmp_path / "locked.key"
    locked.write_bytes(pem_of(rsa_key(), b"x"))
    with pytest.raises(SettingsError, match="holds no pair that fits"):
        async with WebClient(
            origin_at("https://127.0.0.1:1", certificate_file=us.certificate, key_file=locked)
        ):
            pass
