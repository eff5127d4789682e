"""Instance events in, study events out."""

import asyncio
import time

from isthmus.common.bus import Bus
from isthmus.common.inbox.state import Phase, States
from isthmus.common.messages.events import EventType, Reason
from tests.arrivals.conftest import QUIET, Arrivals
from tests.arrivals.sender import Sender
from tests.arrivals.subscriber import Subscriber


async def test_a_quiet_study_has_arrived(arrivals: Arrivals, send: Sender, subscriber: Subscriber) -> None:
    async with arrivals.running():
        await send.instances("1.2", range(3))
        await send.instances("1.2", range(2), series=2, modality="SR")
        sent = time.time()
        event = await subscriber.next()
        assert QUIET * 0.9 < time.time() - sent < QUIET + 2
    data = event.data
    assert (event.type, data.study, data.revision) == (EventType.STUDY_ARRIVED, "1.2", 1)
    assert (data.complete, data.reason) == ("assumed", Reason.QUIET)
    assert (data.instances, data.size, data.new_instances) == (5, 5000, 5)
    assert {(one.series, one.modality, one.instances) for one in data.series} == {
        ("1.2.1", "CT", 3),
        ("1.2.2", "SR", 2),
    }
    assert data.modalities == {"CT": 3, "SR": 2}
    assert data.url == f"http://gateway/aets/{arrivals.inbox.name}/studies/1.2"
    assert data.blobs is not None
    assert {blob.instance for blob in data.blobs} == {"1.2.1.0", "1.2.1.1", "1.2.1.2", "1.2.2.0", "1.2.2.1"}
    assert set(data.attributes) == {"00081030", "00100020"}
    assert data.calling_ae_titles == ("CT1",)
