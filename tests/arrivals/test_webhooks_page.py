"""The examples of docs/webhooks.md, against what is really sent."""

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import load_settings
from tests.arrivals.webhook_events import SECRET, Site
from tests.arrivals.webhook_receiver import Request, listening

PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"
EXAMPLES = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))
WHSEC = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"

Verify = Callable[[str, Mapping[str, str], bytes], None]


@pytest.fixture(scope="module")
def verify() -> Verify:
    names: dict[str, Verify] = {}
    exec(compile(EXAMPLES["verify.py"], "verify.py", "exec"), names)
    return names["verify"]


async def sent(bus: Bus, blobs: BlobStore, origin: str, secret: str) -> Request:
    """Have an event sent."""
    site = Site(bus, blobs, origin)
    async with listening() as receiver, site.delivering(site.webhook(receiver.url, secret=secret)):
        await site.publish()
        (request,) = await receiver.take(1)
    return request


@pytest.mark.parametrize("secret", [SECRET, WHSEC], ids=["text", "base64"])
async def test_the_example_verifies_what_is_sent_and_nothing_else(
    bus: Bus, blobs: BlobStore, origin_name: str, verify: Verify, secret: str
) -> None:
    request = await sent(bus, blobs, origin_name, secret)
    verify(secret, request.headers, request.body)
    for wrong in (
        ("another-secret-altogether", request.headers, request.body),
        (secret, request.headers, request.body.replace(b"assumed", b"Assumed")),
        (secret, request.headers | {"webhook-id": "another"}, request.body),
        (secret, request.headers | {"webhook-signature": "v1,"}, request.body),
    ):
        with pytest.raises(ValueError, match="the signature is not ours"):
            verify(*wrong)
    old = request.headers | {"webhook-timestamp": str(int(request.headers["webhook-timestamp"]) - 600)}
    with pytest.raises(ValueError, match="the message is old"):
        verify(secret, old, request.body)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "1" * 400},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,\u00e9"},
        {"webhook-signature": "v1a,AAAA v2,BBBB"},
        {"webhook-id": "\u00e9"},
    ],
)
def test_the_example_refuses_whatever_else_comes(verify: Verify, changed: Mapping[str, str]) -> None:
    headers = {"webhook-id": "1", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,AA=="}
    with pytest.raises(ValueError, match=r"the message is old|the signature is not ours"):
        verify(SECRET, {**headers, **changed}, b"{}")
    for name in changed:
        with pytest.raises(ValueError, match=r"the message is old|the signature is not ours"):
            verify(SECRET, {key: value for key, value in headers.items() if key != name}, b"{}")


async def test_while_the_secret_is_replaced_both_verify(
    bus: Bus, blobs: BlobStore, origin_name: str, verify: Verify
) -> None:
    request = await sent(bus, blobs, origin_name, f"{WHSEC} {SECRET}")
    for secret in (WHSEC, SECRET):
        verify(secret, request.headers, request.body)


def test_the_settings_of_the_page_are_settings(tmp_path: Path) -> None:
    inbox = '[[origins]]\nname = "inbox"\nprotocol = "inbox"\nae_title = "INBOX"\n'
    path = tmp_path / "isthmus.toml"
    path.write_text(inbox + EXAMPLES["settings"])
    (webhook,) = load_settings(path).arrivals.webhooks
    assert (webhook.name, webhook.timeout_seconds, webhook.give_up_hours) == ("ai", 15, 24)
