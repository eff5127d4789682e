"""Retrieving from a DICOMweb server that nobody here wrote: Orthanc's plugin."""

from collections import defaultdict

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DicomwebOrigin
from isthmus.common.messages import InstanceReady, Retrieve, RetrieveFact
from tests.dimse_scu.facts import done, facts_of
from tests.peers import Orthanc

Held = dict[str, dict[str, set[bytes]]]
"""The files by study and SOP Instance UID: two patients may have a study of the same UIDs."""


@pytest.fixture(scope="session")
def held(orthanc: Orthanc) -> Held:
    found: Held = defaultdict(lambda: defaultdict(set))
    for key, one in orthanc.held().items():
        found[one.study_instance_uid][one.sop_instance_uid].add(orthanc.file(key))
    return found


@pytest.fixture(scope="session")
def largest(held: Held) -> str:
    """The study of which there is most."""
    return max(held, key=lambda study: len(held[study]))


async def brought(blobs: BlobStore, facts: list[RetrieveFact]) -> dict[str, bytes]:
    """The files that came, by SOP Instance UID."""
    came = [fact.blob for fact in facts if isinstance(fact, InstanceReady)]
    return {blob.sop_instance_uid: await blobs.get(blob.key) for blob in came}


async def test_each_study_comes_whole_and_byte_for_byte(
    bus: Bus, blobs: BlobStore, cloud: DicomwebOrigin, held: Held
) -> None:
    for study, files in held.items():
        facts = await facts_of(bus, Retrieve(cloud.name, study))
        end = done(facts)
        assert (end.completed, end.missing, end.failure, end.unlisted) == (len(files), (), None, False)
        came = await brought(blobs, facts)
        assert came.keys() == files.keys()
        assert all(came[uid] in files[uid] for uid in files)
