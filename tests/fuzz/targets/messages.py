"""Messages and events from the bus, each as every type that there is."""

from collections.abc import Iterable
from typing import Final

import msgpack

from isthmus.common import messages
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.errors import ContractError
from isthmus.common.messages.cloud_events import from_json, to_json
from isthmus.common.messages.codec import decode, encode
from tests.documents.sample_events import instance, study
from tests.fuzz.refusals import PLANTED, refusing

_KINDS: Final = [kind for name in messages.__all__ if isinstance(kind := getattr(messages, name), type)]
WORDS: Final = (*(kind.__name__.encode() for kind in _KINDS), b"\xa1v\x01", b"\xa4type", PLANTED.encode())
_BLOB: Final = messages.BlobRef(
    "b", "k", 5, "1.2", "1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2"
)


def target(data: bytes) -> None:
    """Read it as any type; what can be read is the same when it is written and read again."""
    with refusing(ContractError):
        found: object = decode(data, *_KINDS)
        assert decode(encode(found), type(found)) == found
        if isinstance(found, messages.Failure):
            str(found.error())
    with refusing(ContractError):
        messages.retrieve_fact(data)
    with refusing(ContractError):
        messages.store_fact(data)
    with refusing(ContractError):
        event = from_json(data)
        to_json(event)


def seeds() -> Iterable[bytes]:
    """Messages, good ones and broken ones."""
    yield encode(messages.Query("pacs", Level.STUDY, (MatchingKey(("00100010",), (PLANTED,)),), ()))
    yield encode(messages.Retrieve("pacs", "1.2", "1.2.3", "1.2.3.4"))
    yield encode(messages.RetrieveStarted(messages.Retrieve("pacs", "1.2"), "00-1-2-01"))
    yield encode(messages.InstanceReady(_BLOB))
    yield encode(messages.Store("pacs", "job", (_BLOB,)))
    yield encode(messages.Failure("InvalidParameter", "limit: is none", "pacs", 0xA700))
    yield encode(messages.Matches(({"00100010": {"vr": "PN", "Value": [{"Alphabetic": PLANTED}]}},)))
    yield msgpack.packb({"v": 1, "type": PLANTED})
    yield msgpack.packb({"v": PLANTED, "type": "Query"})
    yield msgpack.packb({"v": 1, "type": "Store", "origin": {PLANTED: 1}, "job": [PLANTED]})
    yield b"\x93" * 600
    yield b"\x81\xa1v" + b"\x81\xa1v" * 600
    yield msgpack.packb({"v": 1, "type": "Query", "origin": msgpack.Timestamp(2**33, 5)})
    for event in (instance("inbox"), study("inbox")):
        yield to_json(event)
