"""DICOMweb servers and identity providers that are set up wrongly, and clocks that differ."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Final

import pytest

from isthmus.cli.doctor import Cause, Patience, Side, clocks
from isthmus.common.config.settings import S3
from tests.certificates import Authority
from tests.cli.doctor.examining import Heard, examined, wants_tls_and_says_so
from tests.common.webclient.web_origin import Site, origin_at, says, writes_then_is_silent, written
from tests.peers import Orthanc, free_port
from tests.waiting import PATIENCE

SHORT: Final = Patience(connect=2.0, answer=0.5)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site().listening() as running:
        yield running


def of(url: str, **more: object) -> dict[str, object]:
    """Give settings with this server as their one origin."""
    return {"origins": [origin_at(url, **more)], "gateway": {"listen": "127.0.0.1:0"}}


async def test_nothing_is_wrong_with_orthanc(orthanc: Orthanc, tmp_path: Path) -> None:
    heard = await examined(of(f"{orthanc.url}/dicom-web"), tmp_path, "cloud")
    assert heard.findings == []
    assert heard.unclear == []


async def test_a_url_without_its_path(orthanc: Orthanc, tmp_path: Path) -> None:
    """Orthanc has something of its own there."""
    heard = await examined(of(orthanc.url), tmp_path, "cloud")
    heard.only(Cause.WRONG_PATH, Side.OURS, "origins[0].url", "/dicom-web")


@pytest.mark.parametrize(
    ("status", "cause", "side", "named"),
    [
        ("401 Unauthorized", Cause.NOT_AUTHENTICATED, Side.OURS, "origins[0].token_file"),
        ("403 Forbidden", Cause.FORBIDDEN, Side.THEIRS, "403"),
        ("404 Not Found", Cause.WRONG_PATH, Side.OURS, "origins[0].url"),
        ("500 Internal Server Error", Cause.SERVER_FAILS, Side.THEIRS, "500"),
    ],
    ids=["401", "403", "404", "500"],
)
async def test_a_status(
    site: Site, status: str, cause: Cause, side: Side, named: str, tmp_path: Path
) -> None:
    token = written(tmp_path / "token", "not-the-right-token")
    token.chmod(0o600)
    site.does(says(status))
    heard = await examined(of(site.url, token_file=token), tmp_path, "cloud")
    found = heard.only(cause, side, named)
    assert "not-the-right-token" not in repr(found)


async def test_a_login_page(site: Site, tmp_path: Path) -> None:
    site.does(says("200 OK", "<html>Log in</html>", kind="text/html"))
    heard = await examined(of(site.url), tmp_path, "cloud")
    heard.only(Cause.NOT_DICOMWEB, Side.OURS, "origins[0].url", "text/html")


async def test_silence(site: Site, tmp_path: Path) -> None:
    site.does(writes_then_is_silent())
    heard = await examined(of(site.url), tmp_path, "cloud", patience=SHORT)
    heard.only(Cause.SERVER_SILENT, Side.THEIRS, "origins[0].timeout_seconds")


async def test_a_server_that_speaks_tls(tmp_path: Path) -> None:
    async with Site(Authority(tmp_path).server()).listening() as site:
        url = site.url.replace("https://", "http://")
        heard = await examined(of(url), tmp_path, "cloud", patience=SHORT)
    heard.only(Cause.SPEAKS_TLS, Side.OURS, "origins[0].url", "https://")


async def test_a_server_that_says_in_clear_that_it_speaks_tls(tmp_path: Path) -> None:
    async with wants_tls_and_says_so() as port:
        heard = await examined(of(f"http://127.0.0.1:{port}"), tmp_path, "cloud")
    heard.only(Cause.SPEAKS_TLS, Side.OURS, "origins[0].url", "https://")


async def test_a_server_that_speaks_no_tls(site: Site, tmp_path: Path) -> None:
    url = site.url.replace("http://", "https://")
    heard = await examined(of(url), tmp_path, "cloud", patience=SHORT)
    heard.only(Cause.TLS_NOT_SPOKEN, Side.OURS, "origins[0].url", "http://")


async def test_a_server_whose_authority_nobody_named(tmp_path: Path) -> None:
    async with Site(Authority(tmp_path, "nobodys").server()).listening() as site:
        heard = await examined(of(site.url), tmp_path, "cloud")
    heard.only(Cause.TLS_UNKNOWN_AUTHORITY, Side.OURS, "origins[0].ca_file")


async def test_a_proxy_that_does_not_let_us_through(site: Site, tmp_path: Path) -> None:
    site.does(says("407 Proxy Authentication Required"))
    settings = of("http://dicomweb.example.org/rs", proxy=f"http://127.0.0.1:{site.port}")
    heard = await examined(settings, tmp_path, "cloud")
    heard.only(Cause.PROXY_REFUSES, Side.THEIRS, "origins[0].proxy", "dicomweb.example.org")


def with_token_of(url: str, folder: Path) -> dict[str, object]:
    secret = written(folder / "secret", "not-the-right-secret")
    secret.chmod(0o600)
    return {"token_url": f"{url}/token", "client_id": "isthmus", "client_secret_file": secret}


async def test_no_token_is_to_be_had(site: Site, tmp_path: Path) -> None:
    site.does(says("401 Unauthorized"))
    heard = await examined(of(site.url, oauth2=with_token_of(site.url, tmp_path)), tmp_path, "cloud")
    found = heard.only(Cause.TOKEN_REFUSED, Side.OURS, "origins[0].oauth2", "client_id")
    assert "not-the-right-secret" not in repr(found)


async def test_a_token_endpoint_whose_authority_nobody_named(site: Site, tmp_path: Path) -> None:
    async with Site(Authority(tmp_path, "nobodys").server()).listening() as other:
        heard = await examined(of(site.url, oauth2=with_token_of(other.url, tmp_path)), tmp_path, "cloud")
    heard.only(Cause.TLS_UNKNOWN_AUTHORITY, Side.OURS, "origins[0].ca_file")


async def test_a_token_endpoint_without_tls_is_no_reason_to_speak_in_clear_with_the_origin(
    site: Site, tmp_path: Path
) -> None:
    url = site.url.replace("http://", "https://")
    async with Site().listening() as other:
        settings = of(other.url, oauth2=with_token_of(url, tmp_path))
        heard = await examined(settings, tmp_path, "cloud", patience=Patience(connect=4.0, answer=PATIENCE))
    found = heard.only(Cause.TLS_NOT_SPOKEN, Side.OURS, "origins[0].oauth2.token_url: ")
    assert "http://" not in repr(found)


async def test_a_token_endpoint_that_says_nothing(site: Site, tmp_path: Path) -> None:
    async with Site().listening() as other:
        other.does(writes_then_is_silent(b""))
        settings = of(site.url, oauth2=with_token_of(other.url, tmp_path))
        heard = await examined(settings, tmp_path, "cloud", patience=SHORT)
    heard.only(Cause.SERVER_SILENT, Side.THEIRS, "token endpoint", "token_url")


def dated(by: timedelta) -> str:
    return f"Date: {format_datetime(datetime.now(UTC) + by, usegmt=True)}"


async def test_a_clock_that_differs(site: Site, tmp_path: Path) -> None:
    site.does(says("200 OK", "[]", dated(timedelta(hours=2))))
    heard = await examined(of(site.url), tmp_path, "cloud")
    heard.only(Cause.CLOCK_DIFFERS, Side.OURS, "origin cloud", "before ours", "NTP")


async def with_another_clock_that_agrees(site: Site, data: Path) -> Heard:
    site.does(says("200 OK", "[]", dated(-timedelta(hours=2))))
    async with Site().listening() as right:
        right.does(says("200 OK", "[]", dated(timedelta())))
        other = origin_at(right.url, name="other", ae_title="OTHER")
        return await examined({"origins": [origin_at(site.url), other]}, data, "cloud", "other")


async def test_a_clock_that_differs_from_all_others(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocks, "is_on_this_machine", lambda url: False)
    heard = await with_another_clock_that_agrees(site, tmp_path)
    heard.only(Cause.CLOCK_DIFFERS, Side.THEIRS, "origin cloud", "behind ours", "origin other")


async def test_who_runs_here_is_no_witness_for_our_clock(site: Site, tmp_path: Path) -> None:
    heard = await with_another_clock_that_agrees(site, tmp_path)
    found = heard.only(Cause.CLOCK_DIFFERS, Side.OURS, "origin cloud", "no third one tells")
    assert "other" not in found.problem


async def test_our_own_s3_is_no_witness_for_our_clock_whatever_its_name(
    site: Site, s3_settings: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In containers its name does not tell that it runs here."""
    monkeypatch.setattr(clocks, "is_on_this_machine", lambda url: False)
    site.does(says("200 OK", "[]", dated(timedelta(hours=2))))
    nowhere = {"listen": "127.0.0.1:0"}
    heard = await examined({**of(site.url), "s3": s3_settings, "scp": nowhere}, tmp_path)
    heard.only(Cause.CLOCK_DIFFERS, Side.OURS, "origin cloud", "no third one tells")


async def test_each_clock_that_differs_is_told_by_how_much(tmp_path: Path) -> None:
    async with Site().listening() as early, Site().listening() as late:
        early.does(says("200 OK", "[]", dated(-timedelta(hours=2))))
        late.does(says("200 OK", "[]", dated(timedelta(hours=2))))
        other = origin_at(late.url, name="other", ae_title="OTHER")
        heard = await examined({"origins": [origin_at(early.url), other]}, tmp_path, "cloud", "other")
    found = heard.only(Cause.CLOCK_DIFFERS, Side.OURS, "NTP")
    told = re.sub(r"7\d{3} s", "2 h", found.problem)
    assert (
        told == "the clock of origin cloud is 2 h behind ours; the clock of origin other is 2 h before ours"
    )


async def test_a_provider_that_is_not_there(tmp_path: Path) -> None:
    port = free_port()
    heard = await examined(provider(f"http://127.0.0.1:{port}/realms/hospital"), tmp_path)
    heard.only(Cause.CONNECTION_REFUSED, Side.THEIRS, "access.oidc[0].issuer", str(port))


@pytest.mark.parametrize(
    ("status", "issuer"), [("404 Not Found", ""), ("200 OK", "another")], ids=["404", "another-issuer"]
)
async def test_a_provider_whose_keys_cannot_be_read(
    site: Site, status: str, issuer: str, tmp_path: Path
) -> None:
    site.does(says(status, json.dumps({"issuer": issuer}), kind="application/json"))
    heard = await examined(provider(site.url), tmp_path)
    heard.only(Cause.KEYS_UNREADABLE, Side.OURS, "access.oidc[0].issuer", site.url)


def provider(issuer: str) -> dict[str, object]:
    rule = {"user": "ann", "operations": ["search"]}
    access = {"oidc": [{"issuer": issuer, "audience": "isthmus"}], "rules": [rule]}
    nowhere = {"listen": "127.0.0.1:0"}
    return {"access": access, "gateway": nowhere, "scp": nowhere}
