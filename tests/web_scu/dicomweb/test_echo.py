"""Whether a DICOMweb server answers."""

import pytest

from isthmus.common.bus import Bus, subjects
from isthmus.common.config import DicomwebOrigin
from isthmus.common.messages import Echo, EchoDone
from tests.common.webclient.web_origin import Site, says, writes_then_is_silent
from tests.web_scu.dicomweb.conftest import Serve


async def test_an_echo_asks_for_nobody(bus: Bus, origin: DicomwebOrigin, site: Site) -> None:
    answer = await bus.request(subjects.echo(origin.name), Echo(origin.name), EchoDone)
    assert answer.failure is None
    (request,) = site.requests
    assert request.target == "/dicom-web/studies?0020000D=2.25.0&limit=1"


@pytest.mark.parametrize("status", ["404 Not Found", "401 Unauthorized", "500 Internal Server Error"])
async def test_an_echo_tells_why_it_failed(bus: Bus, origin: DicomwebOrigin, site: Site, status: str) -> None:
    site.does(says(status))
    answer = await bus.request(subjects.echo(origin.name), Echo(origin.name), EchoDone)
    assert answer.failure is not None
    assert answer.failure.http_status == int(status[:3])


async def test_an_echo_waits_no_longer_than_the_server_may_be_silent(
    bus: Bus, serve: Serve, site: Site, origin_name: str
) -> None:
    origin = await serve(origin_name, site.url, timeout_seconds=3)
    site.does(says("503 Service Unavailable", "", "Retry-After: 2"), writes_then_is_silent())
    answer = await bus.request(subjects.echo(origin.name), Echo(origin.name), EchoDone)
    assert answer.failure is not None
    assert answer.failure.kind == "OriginTimeout"
    assert answer.latency_ms < 4500, "the second time it is waited for in full"
