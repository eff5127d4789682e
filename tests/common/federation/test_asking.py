"""Asking all origins."""

import asyncio

import pytest

from isthmus.common.config import DimseOrigin, Origin
from isthmus.common.errors import CircuitOpen, InvalidParameter, OriginTimeout
from isthmus.common.federation import ask_all
from tests.waiting import PATIENCE


def origin(name: str, seconds: float = 10) -> Origin:
    return DimseOrigin(name=name, ae_title="PACS", port=104, search_seconds=seconds)


async def test_they_are_asked_at_the_same_time_and_answer_in_their_order() -> None:
    asked = 0
    all_asked = asyncio.Event()

    async def ask(origin: Origin) -> str:
        nonlocal asked
        asked += 1
        if asked == 2:
            all_asked.set()
        await all_asked.wait()
        return origin.name.upper()

    answers = await asyncio.wait_for(ask_all([origin("b"), origin("a")], ask), PATIENCE)
    assert [(origin.name, answer) for origin, answer in answers.heard] == [("b", "B"), ("a", "A")]
    assert answers.silent == ()


async def test_each_has_its_own_deadline() -> None:
    ended = []

    async def ask(origin: Origin) -> str:
        try:
            await asyncio.sleep(0.2 if origin.name == "slow" else 60)
        finally:
            ended.append(origin.name)
        return "late enough"

    answers = await asyncio.wait_for(ask_all([origin("slow"), origin("gone", 0.05)], ask), PATIENCE)
    assert [origin.name for origin, _ in answers.heard] == ["slow"]
    (silence,) = answers.silent
    assert isinstance(silence.error, OriginTimeout)
    assert silence.warning == "The origin gone is not included: The origin did not answer in time"
    assert ended == ["gone", "slow"]


async def test_a_failure_is_the_silence_of_one() -> None:
    async def ask(origin: Origin) -> str:
        if origin.name == "away":
            raise CircuitOpen("with a detail", origin="away")
        return "there"

    answers = await ask_all([origin("away"), origin("there")], ask)
    assert [origin.name for origin, _ in answers.heard] == ["there"]
    assert [silence.origin for silence in answers.silent] == ["away"]
    with pytest.raises(CircuitOpen, match="with a detail"):
        answers.silent[0].fail()


async def test_a_request_that_is_wrong_is_wrong_for_all() -> None:
    ended = asyncio.Event()

    async def ask(origin: Origin) -> str:
        if origin.name == "picky":
            raise InvalidParameter("x", "wrong")
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return ""

    with pytest.raises(InvalidParameter):
        await ask_all([origin("slow"), origin("picky")], ask)
    assert ended.is_set()


async def test_nobody_is_asked_where_there_is_none() -> None:
    async def ask(_: Origin) -> str:
        raise AssertionError

    assert (await ask_all([], ask)).heard == ()
