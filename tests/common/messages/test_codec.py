import msgpack
import pytest

from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.errors import (
    AssociationAborted,
    BlobMissing,
    ContractError,
    HttpOperationFailed,
    InvalidParameter,
    IsthmusError,
    MalformedAnswer,
    MalformedDataset,
    NoSuchObject,
    OriginError,
    StoreUnavailable,
    TooManyMatches,
    TruncatedAnswer,
)
from isthmus.common.messages import (
    BlobRef,
    Failure,
    InstanceReady,
    MissingInstance,
    Query,
    Retrieve,
    RetrieveDone,
    RetrieveStarted,
    Store,
    decode,
    encode,
)

BLOB = BlobRef(
    "isthmus", "held/a", 5, "1.2", "1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
)


def packed(**fields: object) -> bytes:
    data: bytes = msgpack.packb(fields)
    return data


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"\xc1", "no msgpack"),
        (b"", "no msgpack"),
        (msgpack.packb([1]), "no map"),
        (packed(v=2, type="Retrieve", origin="a", study="1"), "version 2"),
        (packed(type="Retrieve", origin="a", study="1"), "version None"),
        (packed(v=1, type="Store", origin="a", job="1"), "a 'Store', and not Retrieve"),
        (packed(v=1, type="Retrieve", origin="a"), r"Retrieve: study \(missing\)"),
        (packed(v=1, type="Retrieve", origin="a", study=5), r"Retrieve: study \(string_type\)"),
    ],
)
def test_what_is_no_message_is_an_error_that_names_the_field(data: bytes, complaint: str) -> None:
    with pytest.raises(ContractError, match=complaint):
        decode(data, Retrieve)


def test_a_wrong_value_is_not_quoted() -> None:
    with pytest.raises(ContractError) as caught:
        decode(packed(v=1, type="Retrieve", origin="a", study={"name": "Doe^John"}), Retrieve)
    assert "Doe" not in caught.value.detail


@pytest.mark.parametrize(
    "said",
    [{"v": "Doe^John", "type": "Store"}, {"v": 1, "type": "Doe^John"}, {"v": 1, "type": "D" * 1_000_000}],
)
def test_neither_are_a_type_and_a_version_that_are_none(said: dict[str, object]) -> None:
    with pytest.raises(ContractError) as caught:
        decode(packed(**said), Retrieve)
    assert "Doe" not in caught.value.detail
    assert len(caught.value.detail) < 100


def test_an_unknown_field_is_ignored() -> None:
    data = packed(v=1, type="Retrieve", origin="a", study="1", colour="blue")
    assert decode(data, Retrieve) == Retrieve("a", "1")


@pytest.mark.parametrize(
    "message",
    [
        Query(
            "pacs", Level.STUDY, (MatchingKey(("00100010",), ("Doe*",)),), (("00400275", "00400009"),), True
        ),
        Store("pacs", "job", (BLOB,)),
        InstanceReady(BLOB),
        RetrieveDone(3, (MissingInstance("1.2", "1.2.3"),), Failure("OperationFailed", "no", "pacs", 0xC000)),
    ],
)
def test_a_message_survives_the_bus(message: object) -> None:
    assert decode(encode(message), type(message)) == message


def test_the_type_tells_the_facts_apart() -> None:
    data = encode(RetrieveStarted(Retrieve("a", "1"), "00-"))
    assert isinstance(decode(data, InstanceReady, RetrieveStarted), RetrieveStarted)


def test_an_origin_error_keeps_its_kind_its_origin_and_its_status() -> None:
    error = Failure.of(AssociationAborted("broke off", origin="pacs", status=0xC123)).error()
    assert isinstance(error, AssociationAborted)
    assert isinstance(error, OriginError)
    assert (error.detail, error.origin, error.status) == ("broke off", "pacs", 0xC123)


def test_the_failure_of_a_dicomweb_origin_keeps_its_http_status() -> None:
    failed = HttpOperationFailed("no", origin="cloud", http_status=503, retry_after=7.5)
    error = decode(encode(Failure.of(failed)), Failure).error()
    assert isinstance(error, HttpOperationFailed)
    assert (error.detail, error.origin, error.http_status, error.retry_after) == ("no", "cloud", 503, 7.5)


@pytest.mark.parametrize("kind", [MalformedAnswer, TruncatedAnswer])
def test_an_answer_that_cannot_be_read_keeps_its_kind(kind: type[OriginError]) -> None:
    error = Failure.of(kind("no", origin="cloud")).error()
    assert type(error) is kind


def test_another_error_keeps_its_kind() -> None:
    assert isinstance(Failure.of(NoSuchObject("none")).error(), NoSuchObject)


@pytest.mark.parametrize(
    "error",
    [
        InvalidParameter("identifier", "holds a value that cannot be written: at all"),
        TooManyMatches("too wide"),
        MalformedDataset("no data set"),
        BlobMissing("gone"),
        StoreUnavailable("away"),
    ],
)
def test_what_may_happen_in_a_worker_keeps_its_kind_and_its_text(error: IsthmusError) -> None:
    told = Failure.of(error).error()
    assert type(told) is type(error)
    assert told.detail == error.detail


def test_an_unknown_kind_is_a_plain_error() -> None:
    error = Failure("FromTheFuture", "odd").error()
    assert type(error) is IsthmusError
