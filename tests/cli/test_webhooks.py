"""What `isthmus webhooks` tells of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from isthmus.cli.run_file import NotRunning
from isthmus.cli.webhooks import resume, show
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.dead import bury
from isthmus.common.bus.webhooks import WebhookStates
from isthmus.common.config.arriving import Webhook
from isthmus.common.messages import DeadLetter
from tests.arrivals.webhook_events import SECRET, Site
from tests.arrivals.webhook_receiver import listening, say, status
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("running")


@pytest.fixture
async def site(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Site]:
    """An inbox; all webhooks of other tests are forgotten."""
    one = Site(bus, blobs, origin_name)
    async with one.delivering():
        yield one


@pytest.fixture
async def stopped(site: Site) -> Webhook:
    """A webhook that took nothing, then answered 410, and for which one more event waits."""
    async with listening() as receiver:
        receiver.behaviour = say(status("410 Gone"))
        hook = site.webhook(receiver.url.replace("127", "user:hunter2@127") + "?token=hunter3")
        async with site.delivering(hook):
            await site.publish()
            await site.state(hook, lambda state: state.stopped and state.failed)
    await site.publish()
    await bury(site.bus, DeadLetter("webhook", hook.name, "HTTP 422", 3, 1.7e9, 1.7e9, b"{}"), hook.name)
    return hook


async def test_without_a_running_system_nothing_can_be_said(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        await show(tmp_path / "other", as_json=True)


async def test_without_webhooks_it_says_so(
    data: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    await show(data, as_json=False)
    assert capsys.readouterr().out.splitlines()[-1] == "no webhooks"


async def test_each_webhook_is_shown_with_what_waits_for_it_and_without_secrets(
    data: Path, site: Site, stopped: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    await show(data, as_json=True)
    (told,) = orjson.loads(capsys.readouterr().out)
    assert told.pop("url").endswith("/hook")
    for time in ("last_attempt", "failing_since", "stopped"):
        assert told.pop(time).endswith("Z")
    assert told == {
        "name": stopped.name,
        "types": ["study.amended", "study.arrived"],
        "origins": [site.origin],
        "delivered": 0,
        "failed": 1,
        "waiting": 2,
        "last_status": "410",
        "last_success": None,
        "next_try": None,
        "dead_letters": 1,
    }
    await show(data, as_json=False)
    text = capsys.readouterr().out
    header, row = text.splitlines()[-2:]
    values = dict(zip(header.split(), row.split(), strict=True))
    assert (values["Name"], values["Waiting"], values["DeadLetters"]) == (stopped.name, "2", "1")
    assert "hunter" not in text
    assert SECRET not in text


async def test_a_webhook_that_was_stopped_goes_on_when_somebody_says_so(
    data: Path, site: Site, stopped: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await resume(data, stopped.name, as_json=False)
    assert f"{stopped.name} goes on within seconds; 2 events wait for it" in capsys.readouterr().out
    async with listening() as receiver, site.delivering(replace_url(stopped, receiver.url)):
        await receiver.take(2)
        state = await until(lambda: WebhookStates(site.bus).get(stopped.name), lambda it: it.delivered)
    assert state.stopped is None


async def test_a_name_that_no_webhook_has_is_told(
    data: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not await resume(data, "nobody", as_json=False)
    assert "there is no webhook nobody" in capsys.readouterr().err


def replace_url(webhook: Webhook, url: str) -> Webhook:
    return webhook.model_copy(update={"url": url})
