"""How often origins are asked while somebody watches, and which are not asked."""

import pytest

from isthmus.cli.status import echoes
from isthmus.cli.status.look import Looker
from isthmus.cli.status.model import Answer
from isthmus.common.errors import CircuitOpen
from isthmus.common.messages import Echo, EchoDone, Failure
from tests.cli.status.site import Site, origin
from tests.waiting import PATIENCE


async def left_alone(_: Echo) -> EchoDone:
    return EchoDone(0.1, Failure.of(CircuitOpen("'pacs' failed 3 times in a row", origin="pacs")))


@pytest.mark.parametrize(("again_seconds", "times"), [(PATIENCE, 1), (0.0, 3)])
async def test_who_watches_asks_an_origin_no_sooner_than_its_time(
    site: Site, monkeypatch: pytest.MonkeyPatch, again_seconds: float, times: int
) -> None:
    monkeypatch.setattr(echoes, "AGAIN_SECONDS", again_seconds)
    asked: list[Echo] = []

    async def counting(echo: Echo) -> EchoDone:
        asked.append(echo)
        return EchoDone(1.0)

    await site.origin("pacs", counting)
    site.write()
    async with Looker(site.data) as looker:
        for _ in range(3):
            assert origin(await looker.look(), "pacs").answer is Answer.ANSWERS
    assert len(asked) == times


async def test_an_origin_whose_circuit_is_open_is_left_alone(site: Site) -> None:
    await site.origin("pacs", left_alone)
    pacs = origin(await site.look(), "pacs")
    assert (pacs.answer, pacs.is_left_alone) == (Answer.AWAY, True)
