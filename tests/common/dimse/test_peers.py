"""Against PACS and receivers that nobody here wrote, with every file that comes with pydicom."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.uid import UID

from isthmus.common.dicom.part10 import FileMeta, read_file_meta
from isthmus.common.dimse import (
    FIND,
    MOVE,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    Context,
    Peer,
    ReceivedInstance,
    for_get,
    for_store,
)
from isthmus.common.errors import OperationFailed
from tests import peers
from tests.common.dimse.acceptor import opened, query
from tests.data_sets import identity, raw_dataset
from tests.peers import Dcmqrscp, Orthanc, Storescp

LONGEST_UID = 64


def to(other: peers.Peer) -> Peer:
    return Peer(other.ae_title.lower(), other.host, other.port, other.ae_title, "ISTHMUS", 10.0)


def digest(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def received_by(storescp: Storescp) -> Counter[str]:
    return Counter(digest(data) for sets in storescp.datasets().values() for data in sets)


def counted(got: Counter[str]) -> Callable[[ReceivedInstance], int]:
    def take(one: ReceivedInstance) -> int:
        got[digest(one.data.head())] += 1
        return 0

    return take


def file_meta(file: Path) -> FileMeta:
    with file.open("rb") as source:
        return read_file_meta(source)


def for_getting(corpus: list[Path]) -> list[tuple[Context, ...]]:
    return for_get(sorted({file_meta(file).sop_class_uid for file in corpus}))


def test_every_study_of_orthanc_is_found_and_a_search_is_quick(orthanc: Orthanc) -> None:
    with opened(to(orthanc.peer), [FIND]) as association:
        responses = association.find(STUDY_ROOT_FIND, query())
        found = [pydicom.dcmread(BytesIO(one.data or b""), force=True).StudyInstanceUID for one in responses]
        assert set(found) == set(orthanc.listing())
        seconds = []
        for _ in range(20):
            began = time.monotonic()
            list(association.find(STUDY_ROOT_FIND, query(StudyInstanceUID=found[0])))
            seconds.append(time.monotonic() - began)
        assert min(seconds) < 0.04, "each exchange waits for a delayed acknowledgement"


def test_orthanc_honours_a_cancelled_search(orthanc: Orthanc) -> None:
    with opened(to(orthanc.peer), [FIND]) as association:
        with closing(association.find(STUDY_ROOT_FIND, query())) as responses:
            next(responses)
        assert association.alive
        assert list(association.find(STUDY_ROOT_FIND, query()))


def test_a_get_from_orthanc_brings_the_bytes_that_a_bit_preserving_receiver_gets(
    orthanc: Orthanc, storescp: Storescp, corpus: list[Path]
) -> None:
    """Orthanc ends a C-GET at the first instance that it cannot send; who repairs that is the worker."""
    got: Counter[str] = Counter()
    with ExitStack() as stack:
        moving = stack.enter_context(opened(to(orthanc.peer), [MOVE]))
        getting = [stack.enter_context(opened(to(orthanc.peer), group)) for group in for_getting(corpus)]
        for study in orthanc.listing():
            moving.move(STUDY_ROOT_MOVE, query(StudyInstanceUID=study), storescp.peer.ae_title)
            for association in getting:
                association.get(STUDY_ROOT_GET, query(StudyInstanceUID=study), counted(got))
    expected = received_by(storescp)
    assert sum(expected.values()) >= 160
    assert not set(got) - set(expected), "bytes that no bit-preserving receiver got"
    assert len(got) >= 0.9 * len(expected)


def test_a_get_from_dcmqrscp_brings_the_bytes_that_a_bit_preserving_receiver_gets(
    dcmqrscp: Dcmqrscp, storescp: Storescp, corpus: list[Path]
) -> None:
    """Uncompressed only: as Debian ships it, it sends nothing else."""
    got: Counter[str] = Counter()
    with ExitStack() as stack:
        moving = stack.enter_context(opened(to(dcmqrscp.peer), [MOVE]))
        getting = [stack.enter_context(opened(to(dcmqrscp.peer), group)) for group in for_getting(corpus)]
        for study in dcmqrscp.listing():
            moving.move(STUDY_ROOT_MOVE, query(StudyInstanceUID=study), storescp.peer.ae_title)
            for association in getting:
                association.get(STUDY_ROOT_GET, query(StudyInstanceUID=study), counted(got))
    expected = received_by(storescp)
    assert len(expected) >= 20
    assert len(set(got) & set(expected)) >= 0.9 * len(expected)


def test_what_is_stored_is_byte_for_byte_what_was_given(storescp: Storescp, corpus: list[Path]) -> None:
    """But for the NUL behind the two data sets of odd length, without which DCMTK aborts."""
    expected: Counter[str] = Counter()
    refused: Counter[tuple[int | None, bool]] = Counter()
    standard = {
        file: (meta.sop_class_uid, meta.transfer_syntax_uid)
        for file, meta in ((file, file_meta(file)) for file in corpus)
        if not UID(meta.transfer_syntax_uid).is_private
    }
    (group,) = for_store(standard.values())
    with opened(to(storescp.peer), group) as association:
        for file, (sop_class_uid, transfer_syntax_uid) in standard.items():
            uid = identity(file).sop_instance_uid
            with file.open("rb") as source:
                source.seek(file_meta(file).dataset_offset)
                try:
                    result = association.store(
                        source,
                        sop_class_uid=sop_class_uid,
                        sop_instance_uid=uid,
                        transfer_syntax_uid=transfer_syntax_uid,
                    )
                except OperationFailed as error:
                    refused[error.status, len(uid) > LONGEST_UID] += 1
                    continue
            assert result.status == 0
            data = raw_dataset(file)
            expected[digest(data + b"\0" * (len(data) % 2))] += 1
    assert received_by(storescp) == expected
    assert sum(expected.values()) >= 140
    assert set(refused) == {(0x0117, True)}


def test_an_unknown_study_brings_nothing(orthanc: Orthanc) -> None:
    (group,) = for_get(["1.2.840.10008.5.1.4.1.1.2"])
    with opened(to(orthanc.peer), group) as association:
        result = association.get(STUDY_ROOT_GET, query(StudyInstanceUID="1.2.3.4"), lambda _: 0)
        assert not result.completed
