"""Specific Character Set (PS3.3 C.12.1.1.2): of a request, and of its responses."""

import pytest
from pydicom.dataset import Dataset

from isthmus.common.dicom.json_model import DicomJson
from isthmus.scp.worker import Server
from tests.scp.find.conftest import EXPLICIT, IMPLICIT, Played, ask, request
from tests.scp.find.test_find import key

pytestmark = pytest.mark.anyio


def named(*groups: str) -> DicomJson:
    names = dict(zip(("Alphabetic", "Ideographic", "Phonetic"), groups, strict=False))
    return {
        "00100010": {"vr": "PN", "Value": [{name: group for name, group in names.items() if group}]},
        "0020000D": {"vr": "UI", "Value": ["1.2"]},
    }


async def told(server: Server, played: Played, match: DicomJson, character_set: object = None) -> Dataset:
    played.answer = lambda _: [match]
    identifier = request(PatientName="", StudyInstanceUID="")
    if character_set is not None:
        identifier.SpecificCharacterSet = character_set
    (answer,) = (await ask(server, identifier)).matches
    return answer


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jürgen"),
        ("ISO_IR 144", "Люкceмбypг"),
        ("ISO_IR 192", "王^小東"),
        ("GB18030", "王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ],
)
async def test_a_key_is_read_in_its_character_set(
    server: Server, played: Played, character_set: object, name: str, syntax: str
) -> None:
    identifier = request(SpecificCharacterSet=character_set, PatientName=name, StudyInstanceUID="")
    assert (await ask(server, identifier, syntax=syntax)).status == 0x0000
    assert key("PatientName", name) in played.queries[0].keys


async def test_ascii_needs_no_character_set(server: Server, played: Played) -> None:
    answer = await told(server, played, named("Doe^Jane"), "ISO_IR 100")
    assert "SpecificCharacterSet" not in answer
    assert answer.PatientName == "Doe^Jane"


async def test_other_text_is_in_utf_8(server: Server, played: Played) -> None:
    answer = await told(server, played, named("Müller"))
    assert answer.SpecificCharacterSet == "ISO_IR 192"
    assert answer.PatientName == "Müller"


@pytest.mark.parametrize(
    ("character_set", "groups"),
    [
        ("ISO_IR 100", ("Müller^Jürgen",)),
        ("ISO_IR 144", ("Люкceмбypг",)),
        ("GB18030", ("Wang^XiaoDong", "王^小东")),
        ("ISO_IR 13", ("ﾔﾏﾀﾞ^ﾀﾛｳ",)),
        (["", "ISO 2022 IR 87"], ("Yamada^Tarou", "山田^太郎", "やまだ^たろう")),
        (["", "ISO 2022 IR 149"], ("Hong^Gildong", "洪^吉洞", "홍^길동")),
    ],
)
async def test_text_is_in_the_character_set_of_the_request(
    server: Server, played: Played, character_set: object, groups: tuple[str, ...]
) -> None:
    answer = await told(server, played, named(*groups), character_set)
    said = answer.SpecificCharacterSet
    assert said == character_set
    assert str(answer.PatientName) == "=".join(groups)


@pytest.mark.parametrize(
    "character_set", ["ISO_IR 100", "ISO_IR 13", ["", "ISO 2022 IR 87"], ["", "ISO 2022 IR 6"]]
)
async def test_what_does_not_fit_there_is_in_utf_8(
    server: Server, played: Played, character_set: object
) -> None:
    answer = await told(server, played, named("홍^길동"), character_set)
    assert answer.SpecificCharacterSet == "ISO_IR 192"
    assert answer.PatientName == "홍^길동"
