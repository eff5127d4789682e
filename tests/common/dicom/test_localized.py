"""Text in the character set of somebody else: exactly, or not at all."""

import pytest

from isthmus.common.dicom.character_sets import CharacterSet
from isthmus.common.dicom.localized import localize


@pytest.mark.parametrize(
    ("character_set", "text"),
    [
        ("ISO_IR 100", "Äneas^Rüdiger"),
        ("ISO_IR 126", "Διονυσιος"),
        ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ=="),
        ("ISO_IR 192", "Äneas=山田"),
        ("GB18030", "Wang^XiaoDong=王^小东="),
        ("GBK", "Wang^XiaoDong=王^小东="),
        ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO 2022 IR 13\\ISO 2022 IR 87", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
        ("ISO 2022 IR 100\\ISO 2022 IR 144", "Müller\\Люкceмбypг"),
        ("NONSENSE", "Doe^Jane"),
    ],
)
def test_a_text_that_fits(character_set: str, text: str) -> None:
    raw = localize(text, "PN", character_set)
    assert raw is not None
    assert CharacterSet.of(character_set).decode(raw, "PN") == text


@pytest.mark.parametrize(
    ("character_set", "text"),
    [
        ("", "Müller"),
        ("ISO_IR 6", "Müller"),
        ("ISO_IR 100", "王^小東"),
        ("ISO_IR 13", "山田"),
        ("\\ISO 2022 IR 87", "홍^길동"),
        ("\\ISO 2022 IR 999", "Müller"),
        ("NONSENSE", "Müller"),
    ],
)
def test_a_text_that_does_not_fit(character_set: str, text: str) -> None:
    assert localize(text, "PN", character_set) is None
