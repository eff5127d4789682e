"""Who webhooks trust, and what they tell whom."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from isthmus.common.errors import SettingsError
from tests.arrivals.webhook_events import PATIENT, QUICK, SECRET, Site
from tests.arrivals.webhook_receiver import (
    OK,
    WebhookReceiver,
    listening,
    say,
    signatures,
    status,
)
from tests.certificates import Authority
from tests.waiting import until

SLOW = replace(QUICK, first=60, longest=60)
"""So slow that nothing is tried twice."""


async def test_cookies_are_not_kept_and_credentials_are_sent_but_not_shown(
    site: Site, receiver: WebhookReceiver, capfd: pytest.CaptureFixture[str]
) -> None:
    receiver.behaviour = say(status("500 Oops", "Set-Cookie: a=b"), OK)
    hook = site.webhook(receiver.url.replace("127", "user:hunter2@127") + "?token=hunter3")
    async with site.delivering(hook):
        await site.publish()
        requests = await receiver.take(2)
        state = await site.state(hook, lambda state: state.delivered)
    said = "".join(capfd.readouterr())
    assert requests[1].headers["authorization"] == "Basic " + base64.b64encode(b"user:hunter2").decode()
    assert requests[1].path == "/hook?token=hunter3"
    assert "cookie" not in requests[1].headers
    assert state.url == receiver.url
    for secret in ("hunter2", "hunter3", SECRET, PATIENT, "1.2.3"):
        assert secret not in said + repr(state)


async def test_a_secret_is_replaced_without_a_restart(
    site: Site, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    async with site.delivering(site.webhook(receiver.url, secret_file=path)):
        for keys in (f"{SECRET}", f"{SECRET}-new\n{SECRET}\n", f"{SECRET}-new"):
            path.write_text(keys)
            await site.publish()
            (request,) = await receiver.take(1)
            wanted = [signatures(request, key.encode()) for key in keys.split()]
            assert request.headers["webhook-signature"].split(" ") == wanted
            event_id = await _unsigned(site, path, receiver)
            path.write_text(keys)
            (late,) = await receiver.take(1)
            assert late.id == event_id


async def _unsigned(site: Site, path: Path, receiver: WebhookReceiver) -> str:
    """Publish while there is no secret: nothing is sent unsigned."""
    await asyncio.to_thread(path.unlink)
    event_id = await site.publish()
    states = [await site.states.get(name) for name in await site.states.names()]
    (hook,) = [state for state in states if state.origins == (site.origin,)]
    await until(lambda: site.states.get(hook.name), lambda state: state.last_status == "no secret")
    assert receiver.requests.empty()
    return event_id


async def test_a_secret_that_cannot_be_read_is_told_at_the_start(site: Site, tmp_path: Path) -> None:
    hook = site.webhook("http://127.0.0.1:1", secret_file=tmp_path / "none")
    with pytest.raises(SettingsError, match=rf"webhook {hook.name}: secret_file .*: No such file"):
        async with site.delivering(hook):
            pass


@pytest.mark.parametrize("content", [None, b"no certificate"])
async def test_authorities_that_cannot_be_read_are_told_at_the_start(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    path = tmp_path / "authorities.pem"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(SettingsError, match=re.escape(f"environment: SSL_CERT_FILE {path}: ")):
        async with site.delivering(site.webhook("https://127.0.0.1:1")):
            pass


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """One that nobody knows."""
    return Authority(tmp_path)


@pytest.fixture
async def secure(authority: Authority) -> AsyncIterator[WebhookReceiver]:
    """A receiver on 127.0.0.1 that it vouches for."""
    async with listening(authority.server()) as receiver:
        yield receiver


async def test_who_cannot_be_trusted_gets_nothing(site: Site, secure: WebhookReceiver) -> None:
    await _gets_nothing(site, secure, secure.url.replace("http:", "https:"))


async def test_who_has_the_certificate_of_another_gets_nothing(
    site: Site, secure: WebhookReceiver, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    await _gets_nothing(site, secure, f"https://localhost:{secure.port}/hook")


async def test_who_speaks_no_tls_gets_nothing(site: Site, receiver: WebhookReceiver) -> None:
    """Nothing is sent in the clear where the settings say https."""
    hook = site.webhook(receiver.url.replace("http:", "https:"), timeout_seconds=0.3)
    async with site.delivering(hook, pace=SLOW):
        await site.publish()
        state = await site.state(hook, lambda state: state.failed)
    assert state.last_status == "no answer in time"  # it waits for the end of a head
    assert receiver.requests.empty()


async def test_an_authority_of_ones_own_can_be_trusted(
    site: Site, secure: WebhookReceiver, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    async with site.delivering(site.webhook(secure.url.replace("http:", "https:"))):
        event_id = await site.publish()
        (request,) = await secure.take(1)
    assert request.id == event_id


async def _gets_nothing(site: Site, receiver: WebhookReceiver, url: str) -> None:
    hook = site.webhook(url)
    async with site.delivering(hook, pace=SLOW):
        await site.publish()
        state = await site.state(hook, lambda state: state.failed)
    assert state.last_status == "no TLS"
    assert receiver.requests.empty()
