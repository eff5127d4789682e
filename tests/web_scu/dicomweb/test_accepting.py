"""Which Accept a server is sent, as it refuses one or the other."""

from collections.abc import Awaitable, Callable

import pytest

from isthmus.common.errors import HttpOperationFailed
from isthmus.web_scu.dicomweb.accepting import (
    ALONE_AS_HELD,
    ALONE_BY_DEFAULT,
    AS_HELD,
    BY_DEFAULT,
    Accepting,
)

NOT_ACCEPTABLE = 406


class Server:
    """Takes what it is told to."""

    def __init__(
        self, *takes: str, refuses_with: int = NOT_ACCEPTABLE, refuses_others_with: int = 500
    ) -> None:
        self.takes = set(takes)
        self.refuses_with = refuses_with
        self.refuses_others_with = refuses_others_with
        self.asked: list[str] = []
        self._accepting = Accepting("cloud")

    async def retrieve(self, *, alone: bool = False) -> str:
        self.asked = []
        return await self._accepting.first_taken(self._answer(), alone=alone)

    def _answer(self) -> Callable[[str], Awaitable[str]]:
        async def answer(accept: str) -> str:
            self.asked.append(accept)
            if accept not in self.takes:
                status = self.refuses_with if accept == AS_HELD else self.refuses_others_with
                raise HttpOperationFailed("refused", origin="cloud", http_status=status)
            return accept

        return answer


@pytest.mark.parametrize("status", [400, NOT_ACCEPTABLE, 415])
async def test_a_server_that_knows_the_default_alone_is_asked_for_that_from_then_on(status: int) -> None:
    server = Server(BY_DEFAULT, refuses_with=status)
    assert (await server.retrieve(), server.asked) == (BY_DEFAULT, [AS_HELD, BY_DEFAULT])
    assert (await server.retrieve(), server.asked) == (BY_DEFAULT, [BY_DEFAULT])


async def test_one_refusal_does_not_have_all_others_transcoded() -> None:
    server = Server(AS_HELD)
    await server.retrieve()
    server.takes = {BY_DEFAULT}
    assert (await server.retrieve(), server.asked) == (BY_DEFAULT, [AS_HELD, BY_DEFAULT])
    server.takes = {AS_HELD}
    assert (await server.retrieve(), server.asked) == (AS_HELD, [AS_HELD])


async def test_a_server_that_takes_neither_has_refused_the_first() -> None:
    server = Server()
    for _ in range(2):
        with pytest.raises(HttpOperationFailed) as failure:
            await server.retrieve()
        assert failure.value.http_status == NOT_ACCEPTABLE
        assert server.asked == [AS_HELD, BY_DEFAULT]


@pytest.mark.parametrize("takes", [ALONE_AS_HELD, ALONE_BY_DEFAULT])
async def test_a_server_that_sends_no_parts_is_asked_for_instances_without(takes: str) -> None:
    server = Server(takes, refuses_others_with=NOT_ACCEPTABLE)
    with pytest.raises(HttpOperationFailed):
        await server.retrieve()
    assert await server.retrieve(alone=True) == takes
    assert server.asked[:2] == [AS_HELD, BY_DEFAULT]
    assert (await server.retrieve(alone=True), server.asked) == (takes, [takes])


async def test_a_server_that_sends_parts_is_not_asked_for_an_instance_without() -> None:
    server = Server(AS_HELD, refuses_others_with=NOT_ACCEPTABLE)
    await server.retrieve()
    server.takes = set()
    with pytest.raises(HttpOperationFailed):
        await server.retrieve(alone=True)
    assert server.asked == [AS_HELD, BY_DEFAULT]


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
async def test_another_failure_is_not_about_what_is_accepted(status: int) -> None:
    server = Server(BY_DEFAULT, refuses_with=status)
    with pytest.raises(HttpOperationFailed) as failure:
        await server.retrieve()
    assert (failure.value.http_status, server.asked) == (status, [AS_HELD])
