"""The PACS dies in the middle of a transfer."""

from pathlib import Path

import pytest

from tests.pacs import Slow
from tests.system.faults.system import FaultySystem, Origin


@pytest.fixture
def origin(system: FaultySystem, images: list[Path]) -> Origin:
    return system.origin(images, Slow(seconds=0.1))


def test_the_body_is_broken_off_and_the_next_request_fetches_only_what_lacks(
    system: FaultySystem, origin: Origin
) -> None:
    seen = len(system.stderr)
    client = origin.client()
    client.wait_for(5)
    origin.pacs.kill()
    broken = client.answer()
    assert origin.is_broken(broken)
    system.wait_for_log("retrieve failed", origin.name, seen=seen)
    system.wait_for_spans(
        broken.trace_id,
        lambda spans: {"wado", "dimse-scu"} <= {span.service for span in spans if span.status == "error"},
    )
    origin.restart()
    assert origin.is_whole(origin.retrieve())
    sent = origin.pacs.sent()
    assert len(sent) == len(set(sent))
    assert broken.datasets.keys().isdisjoint(sent)
