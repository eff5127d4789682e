"""C-STORE: the bytes that were given, or a status that says why not."""

import io
import threading
from io import BytesIO

import pytest
from pynetdicom import evt
from pynetdicom.dimse_primitives import C_STORE

from isthmus.common.dimse import Association, Context
from isthmus.common.errors import AssociationAborted, NoAcceptedContext, OperationFailed, OriginTimeout
from tests.common.dimse.acceptor import CT, aborting, acceptor, keeping, on, status

EXPLICIT = "1.2.840.10008.1.2.1"
HEVC = "1.2.840.10008.1.2.4.107"
UNKNOWN = "1.2.3.4"
CONTEXT = Context(CT, (EXPLICIT,))
DATA = bytes(range(256)) * 1000


def store(association: Association, data: bytes = DATA, uid: str = "1.2.3", syntax: str = EXPLICIT) -> int:
    return association.store(
        BytesIO(data), sop_class_uid=CT, sop_instance_uid=uid, transfer_syntax_uid=syntax
    ).status


@pytest.mark.parametrize("uid", ["1." + "2" * 63, ""])
def test_a_uid_that_fits_no_command_is_not_sent(uid: str) -> None:
    with acceptor(on(evt.EVT_C_STORE, lambda _: 0), classes=[CT]) as pacs:
        association = Association.open(pacs, [CONTEXT])
        with pytest.raises(OperationFailed) as caught:
            store(association, uid=uid)
        assert caught.value.status == 0x0117
        assert store(association) == 0
        association.release()


def test_a_uid_of_64_characters_with_letters_is_sent() -> None:
    received: list[tuple[str, bytes]] = []
    uid = "x" * 64
    with acceptor(
        on(evt.EVT_C_STORE, keeping(received)),
        classes=[CT],
    ) as pacs:
        association = Association.open(pacs, [CONTEXT])
        assert store(association, uid=uid) == 0
        association.release()
    assert [name for name, _ in received] == [uid]


def test_a_syntax_without_a_context_is_not_sent() -> None:
    with acceptor(on(evt.EVT_C_STORE, lambda _: 0), classes=[CT]) as pacs:
        association = Association.open(pacs, [CONTEXT])
        with pytest.raises(OperationFailed) as caught:
            store(association, syntax="1.2.840.10008.1.2.4.70")
        assert caught.value.status == 0x0122
        assert store(association) == 0
        association.release()


def test_a_refused_context_tells_whether_it_was_for_its_class_or_its_syntax() -> None:
    proposed = [CONTEXT, Context(CT, (HEVC,)), Context(UNKNOWN, (EXPLICIT,))]
    with acceptor(on(evt.EVT_C_STORE, lambda _: 0), classes=[CT]) as pacs:
        association = Association.open(pacs, proposed)
        for sop_class, syntax, expected in ((CT, HEVC, 0xC122), (UNKNOWN, EXPLICIT, 0x0122)):
            with pytest.raises(OperationFailed) as caught:
                association.store(
                    BytesIO(DATA),
                    sop_class_uid=sop_class,
                    sop_instance_uid="1.2.3",
                    transfer_syntax_uid=syntax,
                )
            assert caught.value.status == expected
        assert store(association) == 0
        association.release()


def test_where_none_is_accepted_the_refused_syntaxes_are_named() -> None:
    with acceptor(classes=[CT]) as pacs, pytest.raises(NoAcceptedContext) as caught:
        Association.open(pacs, [Context(CT, (HEVC,)), Context(UNKNOWN, (EXPLICIT,))])
    assert caught.value.refused_syntaxes == {(CT, HEVC)}


def test_a_failure_is_a_result_with_its_comment() -> None:
    with acceptor(on(evt.EVT_C_STORE, lambda _: status(0xA700, "disk full")), classes=[CT]) as pacs:
        association = Association.open(pacs, [CONTEXT])
        result = association.store(
            BytesIO(DATA), sop_class_uid=CT, sop_instance_uid="1.2.3", transfer_syntax_uid=EXPLICIT
        )
        assert (result.status, result.error_comment) == (0xA700, "disk full")
        assert association.alive
        association.release()


def test_an_answer_that_comes_twice_is_not_taken_for_the_next_ones() -> None:
    answers = iter([0x0000, 0xA700])

    def twice(event: evt.Event) -> int:
        answer = C_STORE()
        answer.MessageIDBeingRespondedTo = event.request.MessageID
        answer.Status = next(answers)
        event.assoc.dimse.send_msg(answer, event.context.context_id)
        return int(answer.Status)

    with acceptor(on(evt.EVT_C_STORE, twice), classes=[CT]) as pacs:
        association = Association.open(pacs, [CONTEXT])
        assert store(association) == 0
        with pytest.raises(AssociationAborted):
            store(association)
        assert not association.alive


def test_an_origin_that_aborts_in_the_middle() -> None:
    with acceptor(on(evt.EVT_C_STORE, aborting), classes=[CT]) as pacs:
        association = Association.open(pacs, [CONTEXT])
        with pytest.raises(AssociationAborted):
            store(association)
        assert not association.alive


def test_an_origin_that_never_answers() -> None:
    silence = threading.Event()
    with acceptor(
        on(evt.EVT_C_STORE, lambda _: int(silence.wait(10)) * 0), classes=[CT], timeout=1.0
    ) as pacs:
        association = Association.open(pacs, [CONTEXT])
        with pytest.raises(OriginTimeout):
            store(association)
        silence.set()


def test_a_source_that_fails_in_the_middle_aborts_and_nothing_is_stored() -> None:
    received: list[tuple[str, bytes]] = []

    class Broken(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 100_000:
                raise OSError("S3 is away")
            return super().read(size)

    with acceptor(on(evt.EVT_C_STORE, keeping(received)), classes=[CT]) as pacs:
        association = Association.open(pacs, [CONTEXT])
        with pytest.raises(OSError, match="S3 is away"):
            association.store(
                Broken(DATA), sop_class_uid=CT, sop_instance_uid="1.2.3", transfer_syntax_uid=EXPLICIT
            )
        assert not association.alive
    assert received == []


def test_an_origin_that_stops_reading_takes_no_memory_and_times_out() -> None:
    """The source is read no further than what the peer takes, its socket buffers and a few PDUs."""
    reading = threading.Event()
    size = 512 * 1024 * 1024

    class Endless(io.RawIOBase):
        given = 0

        def read(self, wanted: int = -1, /) -> bytes:
            wanted = min(wanted, size - self.given)
            self.given += wanted
            return bytes(wanted)

    def stop_reading(event: evt.Event) -> None:
        reading.wait(20)

    source = Endless()
    with acceptor(
        (evt.EVT_PDU_RECV, stop_reading),
        classes=[CT],
        timeout=1,
    ) as pacs:
        reading.set()
        association = Association.open(pacs, [CONTEXT])
        reading.clear()
        with pytest.raises(OriginTimeout):
            association.store(
                source,  # type: ignore[arg-type]  # a raw stream of bytes is read as any other
                sop_class_uid=CT,
                sop_instance_uid="1.2.3",
                transfer_syntax_uid=EXPLICIT,
            )
        reading.set()
    assert source.given < 32 * 1024 * 1024


@pytest.mark.parametrize("max_pdu", [0, 4096, 16382, 131072])
@pytest.mark.parametrize("size", [1, 4090, 4091, 131066, 300_001])
def test_whatever_the_sizes_the_bytes_arrive_in_an_even_number(max_pdu: int, size: int) -> None:
    received: list[tuple[str, bytes]] = []
    data = (DATA * 2)[:size]
    with acceptor(
        on(evt.EVT_C_STORE, keeping(received)),
        classes=[CT],
        max_pdu=max_pdu,
    ) as pacs:
        association = Association.open(pacs, [CONTEXT])
        assert store(association, data) == 0
        association.release()
    assert [stored for _, stored in received] == [data + b"\0" * (size % 2)]


def test_a_source_is_read_from_where_it_stands_though_it_gives_little_at_a_time() -> None:
    received: list[tuple[str, bytes]] = []

    class Trickle(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(1000, size or 0))

    source = Trickle(b"header" + DATA)
    source.seek(6)
    with acceptor(
        on(evt.EVT_C_STORE, keeping(received)),
        classes=[CT],
    ) as pacs:
        association = Association.open(pacs, [CONTEXT])
        association.store(source, sop_class_uid=CT, sop_instance_uid="1.2.3", transfer_syntax_uid=EXPLICIT)
        association.release()
    assert [stored for _, stored in received] == [DATA]
