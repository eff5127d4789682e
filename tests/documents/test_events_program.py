"""The lines for the nats program in docs/events.md, and the rights of a subscriber."""

import argparse
import asyncio
import json
import shlex
from datetime import datetime
from typing import Final

import nats
import pytest
from nats.aio.client import Client

from isthmus.common.bus import Bus
from isthmus.common.bus.events import publish_event
from isthmus.common.bus.streams import EVENTS
from tests.common.bus.server import Server
from tests.documents.sample_events import instance
from tests.documents.subscribers import EXAMPLES, PASSWORD, publish
from tests.waiting import PATIENCE

NANOSECONDS: Final = 10**9
UNITS: Final = {"s": 1, "m": 60, "h": 3600}


def seconds(text: str) -> int:
    """Read a duration as the nats program does."""
    return int(text[:-1]) * UNITS[text[-1]]


class NatsProgram:
    """What the nats program asks of the server, as its --trace shows it (0.3.0)."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._jetstream = client.jetstream()

    async def run(self, line: str) -> list[bytes]:
        """Do what a line of the page says, and give what it prints of events."""
        options = argparse.ArgumentParser(exit_on_error=False)
        for name in ("what", "action", "stream", "name"):
            options.add_argument(name)
        for name in ("--filter", "--deliver", "--ack", "--wait", "--inactive-threshold"):
            options.add_argument(name)
        options.add_argument("--count", type=int)
        for name in ("--pull", "--raw", "--defaults", "--no-ack"):
            options.add_argument(name, action="store_true")
        program, *arguments = shlex.split(line)
        asked = options.parse_args(arguments)
        assert (program, asked.what, asked.stream) == ("nats", "consumer", EVENTS)
        if asked.action == "add":
            await self._add(asked)
        elif asked.action == "next":
            return await self._next(asked)
        else:
            assert asked.action == "info"
            await self._ask(f"CONSUMER.INFO.{asked.stream}.{asked.name}", None)
        return []

    async def _add(self, asked: argparse.Namespace) -> None:
        config: dict[str, object] = {
            "name": asked.name,
            "durable_name": asked.name,
            "filter_subject": asked.filter,
            "ack_policy": asked.ack,
            "deliver_policy": "all" if asked.deliver == "all" else "by_start_time",
        }
        if asked.deliver != "all":
            config["opt_start_time"] = (
                datetime.fromtimestamp(datetime.now().timestamp() - seconds(asked.deliver))
                .astimezone()
                .isoformat()
            )
        if asked.wait:
            config["ack_wait"] = seconds(asked.wait) * NANOSECONDS
        if asked.inactive_threshold:
            config["inactive_threshold"] = seconds(asked.inactive_threshold) * NANOSECONDS
        subject = f"CONSUMER.CREATE.{asked.stream}.{asked.name}.{asked.filter}"
        await self._ask(subject, {"stream_name": asked.stream, "config": config, "action": ""})

    async def _next(self, asked: argparse.Namespace) -> list[bytes]:
        given: list[bytes] = []
        reply = self._client.new_inbox()
        answers = await self._client.subscribe(reply)
        for _ in range(asked.count):
            request = json.dumps({"expires": NANOSECONDS // 2, "batch": 1}).encode()
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{asked.stream}.{asked.name}"
            await self._client.publish(subject, request, reply)
            message = await answers.next_msg(5)
            if message.headers and message.headers.get("Status"):
                break  # no more now
            given.append(message.data)
            if not asked.no_ack:
                await self._client.publish(message.reply, b"+ACK")
        await answers.unsubscribe()
        return given

    async def _ask(self, call: str, request: object) -> None:
        data = b"" if request is None else json.dumps(request).encode()
        answer = json.loads((await self._client.request(f"$JS.API.{call}", data, 5)).data)
        assert "error" not in answer, answer


@pytest.mark.parametrize("name", ["durable", "yesterday"])
async def test_the_lines_for_the_nats_program_give_what_came(own_bus: Bus, name: str) -> None:
    uids = await publish(own_bus, 1, 3)
    await publish_event(own_bus, instance("inbox"))
    program = NatsProgram(own_bus.client)
    given = [event for line in EXAMPLES[name].splitlines() for event in await program.run(line)]
    assert [json.loads(event)["subject"] for event in given] == uids


async def test_a_subscriber_may_read_its_events_and_nothing_else(server: Server, own_bus: Bus) -> None:
    refused: asyncio.Queue[str] = asyncio.Queue()

    async def take_note(error: Exception) -> None:
        refused.put_nowait(str(error))

    subscriber = await nats.connect(
        server.settings.url, user="ai", password=PASSWORD, inbox_prefix="_INBOX_ai", error_cb=take_note
    )
    try:
        uids = await publish(own_bus, 1, 2)
        mine = await subscriber.jetstream(prefix="isthmus.API").pull_subscribe_bind("ai", EVENTS)
        for uid in uids:
            (message,) = await mine.fetch(1, timeout=PATIENCE)
            assert json.loads(message.data)["subject"] == uid
            await message.ack_sync()
        assert (await mine.consumer_info()).num_ack_pending == 0

        for subject in (
            "dicom.events.>",
            "dicom.told.>",
            "_INBOX.>",
            "_INBOX_isthmus.>",
            ">",
            "$KV.INBOXES.>",
        ):
            await subscriber.subscribe(subject)
            await subscriber.flush()
            assert "permissions violation for subscription" in (await refused.get()).lower()
        for subject in (
            "dicom.events.study.arrived.inbox",
            "$JS.API.CONSUMER.CREATE.EVENTS",
            "$JS.API.CONSUMER.CREATE.EVENTS.ai",
            "$JS.API.CONSUMER.CREATE.EVENTS.ai.dicom.events.>",
            "$JS.API.CONSUMER.CREATE.EVENTS.ai.dicom.events.study.*.other",
            "$JS.API.CONSUMER.CREATE.EVENTS.ai.dicom.told.inbox.*",
            "$JS.API.CONSUMER.CREATE.EVENTS.arrivals.dicom.events.instance.stored.inbox",
            "$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.ai",
            "$JS.API.CONSUMER.MSG.NEXT.EVENTS.ai",
            "$JS.API.CONSUMER.DELETE.EVENTS.arrivals",
            "isthmus.API.CONSUMER.CREATE.EVENTS.ai.dicom.events.>",
            "isthmus.API.CONSUMER.MSG.NEXT.EVENTS.other",
            "isthmus.API.STREAM.INFO.EVENTS",
            "$JS.API.STREAM.INFO.EVENTS",
            "$JS.API.STREAM.PURGE.EVENTS",
            "$JS.API.DIRECT.GET.EVENTS",
        ):
            await subscriber.publish(subject, b"{}")
            await subscriber.flush()
            assert "permissions violation for publish" in (await refused.get()).lower()
    finally:
        await subscriber.close()
