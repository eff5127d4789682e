from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.common.dicom.character_sets import CharacterSet

YAMADA_KANJI: Final = "\u5c71\u7530"  # the bytes of its characters are printable ASCII in ISO 2022


@given(st.binary(), st.text(), st.sampled_from(["LO", "PN", "LT"]))
def test_nothing_raises(raw: bytes, specific_character_set: str, vr: str) -> None:
    assert isinstance(CharacterSet.of(specific_character_set).decode(raw, vr), str)


@pytest.mark.parametrize("term", ["", "ISO_IR 6", "NONSENSE", "ISO_IR 9999", "ISO 2022 IR 6"])
def test_what_declares_no_more_than_ascii_is_utf_8_if_it_can_be_and_else_latin_1(term: str) -> None:
    assert CharacterSet.of(term).decode("Müller".encode()) == "Müller"
    assert CharacterSet.of(term).decode("Müller".encode("latin_1")) == "Müller"


def test_bytes_that_are_not_what_was_declared_are_replaced() -> None:
    assert CharacterSet.of("ISO_IR 192").decode(b"M\xfcller") == "M\ufffdller"


def test_text_that_is_utf_8_though_another_set_was_declared_that_forbids_it_is_read_as_utf_8() -> None:
    assert CharacterSet.of("ISO_IR 109").decode("é".encode()) == "é"


@pytest.mark.parametrize(
    "term",
    ["ISO_IR 101", "ISO-IR 101", "iso_ir_101", "ISO IR 101", "ISO 2022 IR 101", "ISO8859-2", "ISO_8859-2"],
)
def test_misspelt_terms_are_understood(term: str) -> None:
    assert CharacterSet.of(term).decode("Wałęsa".encode("iso8859_2")) == "Wałęsa"


def test_code_extensions_are_followed_though_they_were_not_declared() -> None:
    assert CharacterSet().decode(b"\x1b-BWa\xb3\xeasa") == "Wałęsa"


def test_a_delimiter_brings_the_first_set_back() -> None:
    text = CharacterSet.of("ISO 2022 IR 100\\ISO 2022 IR 101").decode(b"\x1b-B\xb3^\xe9", "PN")
    assert text == "ł^é"


def test_a_caret_is_no_delimiter_outside_of_person_names() -> None:
    text = CharacterSet.of("ISO 2022 IR 100\\ISO 2022 IR 101").decode(b"\x1b-B\xb3^\xb3", "LO")
    assert text == "ł^ł"


def test_bytes_of_two_byte_characters_are_no_delimiters() -> None:
    # U+30FB and U+8868 have 5CH (a backslash) and 3DH (an equals sign) among their bytes in JIS X 0208.
    characters = "\u8868\u30bd\u6f01\u8868"
    raw = b"\x1b$B" + characters.encode("iso2022_jp")[3:-3] + b"\x1b(B\\next"
    assert CharacterSet.of("\\ISO 2022 IR 87").decode(raw) == f"{characters}\\next"


def test_kanji_and_half_width_kana_mix() -> None:
    raw = b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J"
    text = CharacterSet.of("ISO 2022 IR 13\\ISO 2022 IR 87").decode(raw, "PN")
    assert text == f"\uff94\uff8f\uff80\uff9e^\uff80\uff9b\uff73={YAMADA_KANJI}^\u592a\u90ce"


def test_korean_needs_its_escape_only_once_in_a_value() -> None:
    assert CharacterSet.of("\\ISO 2022 IR 149").decode(b"\x1b$)C\xb1\xe8 A \xc8\xf1") == "\uae40 A \ud76c"


def test_a_byte_that_is_a_backslash_elsewhere_belongs_to_its_character_in_gbk() -> None:
    assert CharacterSet.of("GBK").decode("\u8a95\\x".encode("gbk")) == "\u8a95\\x"
