"""Text in any Specific Character Set (PS3.5 6.1), times and ages, and the values of JSON made of them."""

from collections.abc import Iterable
from typing import Final

import orjson

from isthmus.common.dicom.character_sets import CharacterSet
from isthmus.common.dicom.json_values import decode_text, from_bytes, from_text
from isthmus.common.dicom.localized import localize
from isthmus.common.dicom.temporal import parse_age, parse_date, parse_datetime, parse_time, split_range
from isthmus.common.dicom.vrs import BINARY_VRS, NUMBER_FORMATS, TEXT_VRS
from tests.fuzz.refusals import refusing

WORDS: Final = (b"\x1b$B", b"\x1b(B", b"\x1b$)C", b"\x1b-F", b"ISO 2022 IR 87", b"GB18030", b"\\", b"^", b"=")
_VRS: Final = sorted({*TEXT_VRS, *NUMBER_FORMATS, *BINARY_VRS})


def target(data: bytes) -> None:
    """Decode it as declared, and as each VR."""
    declared, _, raw = data.partition(b"\0")
    character_set = CharacterSet.of(declared.decode("latin-1"))
    vr = _VRS[len(data) % len(_VRS)]
    if vr in TEXT_VRS:
        text = decode_text(vr, raw, character_set)
        with refusing(ValueError):
            orjson.dumps(from_text(vr, text))
        localize(text, vr, declared.decode("latin-1"))
        for parse in (parse_age, parse_date, parse_datetime, parse_time):
            parse(text)
        split_range(text, vr)
        return
    with refusing(ValueError):
        orjson.dumps(from_bytes(vr, raw, little_endian=bool(len(raw) % 3)))


def seeds() -> Iterable[bytes]:
    """Names in many alphabets."""
    for padding in range(0, 40, 3):
        yield b"\\ISO 2022 IR 87\0Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B" + b" " * padding
    yield b"ISO 2022 IR 149\0\x1b$)C\xb1\xe8\xc8\xf1\xc1\xdf"
    yield "ISO_IR 192\0Buc^Jérôme".encode()
    yield b"GB18030\0Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab"
    yield b"\x0020200229-20210101\\010203.123456+0100"
    yield b"\x001.5e10\\-3\\NaN"
    yield b"\0" + bytes(range(64))
