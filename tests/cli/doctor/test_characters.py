"""Answers whose names are not in the character set that they name."""

import struct
from pathlib import Path

import pytest
from pydicom.uid import ImplicitVRLittleEndian

from isthmus.cli.doctor import Cause, Surroundings
from isthmus.cli.doctor.characters import character_sets
from isthmus.cli.doctor.findings import Wrong
from isthmus.cli.doctor.matches import Match
from isthmus.cli.doctor.pacs import Pacs
from isthmus.common.config import Settings
from tests.cli.doctor.examining import pacs
from tests.peers import Peer

UTF_8, LATIN_1 = "Müller^Änne".encode(), "Müller^Änne".encode("latin-1")


@pytest.fixture
def one(tmp_path: Path) -> Pacs:
    settings = Settings.model_validate(pacs(Peer("PACS", "127.0.0.1", 104)))
    return Pacs.of(settings.dimse_origins[0], Surroundings(settings, tmp_path))


def match(terms: bytes | None, name: bytes) -> Match:
    """Read a match as it comes: in Implicit VR Little Endian."""
    elements = [] if terms is None else [(0x0008, 0x0005, terms)]
    data = b""
    for group, number, value in [*elements, (0x0010, 0x0010, name)]:
        padded = value + b" " * (len(value) % 2)
        data += struct.pack("<HHL", group, number, len(padded)) + padded
    return Match.read(data, ImplicitVRLittleEndian)


@pytest.mark.parametrize(
    ("terms", "name", "said"),
    [
        (None, b"Miller^Ann", "ASCII"),
        (b"ISO_IR 192", UTF_8, "ISO_IR 192"),
        (b"ISO_IR 100", LATIN_1, "ISO_IR 100"),
        (b"\\ISO 2022 IR 87", b"Yamada^Tarou", "ASCII, ISO 2022 IR 87"),
    ],
    ids=["ascii", "utf-8", "latin-1", "code-extensions"],
)
def test_names_in_the_set_that_is_named_are_well(
    one: Pacs, terms: bytes | None, name: bytes, said: str
) -> None:
    assert character_sets([match(terms, name)], one) == said


@pytest.mark.parametrize(
    ("terms", "name", "why"),
    [
        (None, UTF_8, "names no character set"),
        (b"ISO_IR 192", LATIN_1, "not in ISO_IR 192"),
        (b"UTF-8", UTF_8, "does not know"),
    ],
    ids=["none-named", "another-named", "unknown-named"],
)
def test_names_in_another_set_are_told_without_them(
    one: Pacs, terms: bytes | None, name: bytes, why: str
) -> None:
    with pytest.raises(Wrong) as caught:
        character_sets([match(b"ISO_IR 192", UTF_8), match(terms, name)], one)
    finding = caught.value.finding
    assert finding.cause is Cause.CHARACTER_SET_WRONG
    assert why in finding.problem
    assert "ller" not in repr(finding)
