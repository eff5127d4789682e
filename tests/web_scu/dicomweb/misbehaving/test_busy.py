"""Retrieving from a DICOMweb server that has no time: when it is asked again, and when no more."""

import pytest

from isthmus.common.bus import Bus
from isthmus.common.messages import Retrieve
from tests.common.retrieving.facts import done, facts_of
from tests.common.webclient.web_origin import says
from tests.web_scu.dicomweb.holding import Holding
from tests.web_scu.dicomweb.misbehaving.ends import whole


@pytest.mark.parametrize("status", ["503 Service Unavailable", "429 Too Many Requests"])
async def test_a_server_that_is_busy_is_asked_for_the_same_again(
    bus: Bus, holding: Holding, study: Retrieve, series: str, status: str
) -> None:
    busy = says(status, b"", "Retry-After: 0")
    holding.does(series, *[busy] * 6, holding.whole(series))
    assert whole(done(await facts_of(bus, study)))
    assert set(holding.retrieved) == {series}


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
async def test_a_server_that_wants_to_be_left_alone_for_long_is(
    bus: Bus, holding: Holding, study: Retrieve, series: str, status: str
) -> None:
    holding.does(series, says(status, "", "Retry-After: 1000"))
    failure = done(await facts_of(bus, study)).failure
    assert failure is not None
    assert (failure.http_status, failure.retry_after) == (int(status[:3]), 1000)
    assert len(holding.retrieved) <= 2


async def test_a_list_is_not_asked_for_twice_of_a_server_that_wants_to_be_left_alone(
    bus: Bus, holding: Holding, study: Retrieve
) -> None:
    holding.does(f"studies/{study.study}/series", says("429 Too Many Requests", "", "Retry-After: 1000"))
    failure = done(await facts_of(bus, study)).failure
    assert failure is not None
    assert failure.retry_after == 1000
    assert len(holding.asked) == 1
