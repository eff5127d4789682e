"""How a query becomes searches of a DICOMweb server (PS3.18 10.6)."""

import pytest

from isthmus.common.dicom.attributes import parse_path
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey, Wanted
from isthmus.common.errors import TooManyMatches
from isthmus.common.messages import Query
from isthmus.web_scu.dicomweb.resources import RESOURCES_AT_MOST, UIDS_AT_ONCE, searches_of


def key(name: str, *values: str, wanted: Wanted = Wanted.ANY) -> MatchingKey:
    return MatchingKey(parse_path(name, "test"), values, wanted)


def query(level: Level, *keys: MatchingKey, returned: tuple[str, ...] = (), fuzzy: bool = False) -> Query:
    return Query("cloud", level, keys, tuple(parse_path(name, "test") for name in returned), fuzzy)


def only_search(level: Level, *keys: MatchingKey, returned: tuple[str, ...] = (), fuzzy: bool = False) -> str:
    (search,) = searches_of(query(level, *keys, returned=returned, fuzzy=fuzzy))
    parameters = "&".join(f"{name}={value}" for name, value in search.parameters())
    return f"{search.path}?{parameters}" if parameters else search.path


STUDY, SERIES, INSTANCE = (
    key("StudyInstanceUID", "1"),
    key("SeriesInstanceUID", "2"),
    key("SOPInstanceUID", "3"),
)


@pytest.mark.parametrize(
    ("level", "keys", "path"),
    [
        (Level.STUDY, (), "studies"),
        (Level.STUDY, (STUDY,), "studies?0020000D=1"),
        (Level.SERIES, (STUDY,), "studies/1/series"),
        (Level.SERIES, (STUDY, SERIES), "studies/1/series?0020000E=2"),
        (Level.SERIES, (), "series"),
        (Level.SERIES, (SERIES,), "series?0020000E=2"),
        (Level.IMAGE, (STUDY, SERIES), "studies/1/series/2/instances"),
        (Level.IMAGE, (STUDY, SERIES, INSTANCE), "studies/1/series/2/instances?00080018=3"),
        (Level.IMAGE, (STUDY,), "studies/1/instances"),
        (Level.IMAGE, (SERIES,), "instances?0020000E=2"),
        (Level.IMAGE, (INSTANCE,), "instances?00080018=3"),
    ],
)
def test_10_6_1_1_unique_keys_are_the_path(level: Level, keys: tuple[MatchingKey, ...], path: str) -> None:
    assert only_search(level, *keys) == path


@pytest.mark.parametrize(
    ("level", "keys", "is_relational"),
    [
        (Level.STUDY, (), False),
        (Level.SERIES, (STUDY,), False),
        (Level.SERIES, (), True),
        (Level.IMAGE, (STUDY, SERIES), False),
        (Level.IMAGE, (STUDY,), True),
        (Level.IMAGE, (SERIES,), True),
    ],
)
def test_a_search_knows_whether_it_leaves_a_level_open(
    level: Level, keys: tuple[MatchingKey, ...], *, is_relational: bool
) -> None:
    (search,) = searches_of(query(level, *keys))
    assert search.is_relational is is_relational


def test_several_uids_of_its_level_are_one_search_up_to_the_length_of_a_url() -> None:
    uids = [f"1.{number}" for number in range(UIDS_AT_ONCE + 1)]
    first, second = searches_of(query(Level.STUDY, key("StudyInstanceUID", *uids, uids[0])))
    assert first.parameters() == (("0020000D", ",".join(uids[:UIDS_AT_ONCE])),)
    assert second.parameters() == (("0020000D", uids[-1]),)


def test_several_uids_above_its_level_are_a_search_each() -> None:
    keys = (key("StudyInstanceUID", "1", "2"), key("SeriesInstanceUID", "3", "4"))
    assert [search.path for search in searches_of(query(Level.IMAGE, *keys))] == [
        "studies/1/series/3/instances",
        "studies/1/series/4/instances",
        "studies/2/series/3/instances",
        "studies/2/series/4/instances",
    ]
    of_series = searches_of(query(Level.IMAGE, keys[1]))
    assert [search.parameters() for search in of_series] == [(("0020000E", "3"),), (("0020000E", "4"),)]


def test_a_query_that_names_too_many_resources_is_refused() -> None:
    uids = [f"1.{number}" for number in range(RESOURCES_AT_MOST + 1)]
    with pytest.raises(TooManyMatches):
        searches_of(query(Level.SERIES, key("StudyInstanceUID", *uids)))


@pytest.mark.parametrize("uid", ["..", "1/2", "1.*", "1 2", "1" * 129, "1?x=y", "1#"])
def test_a_uid_that_no_url_can_name_finds_nothing(uid: str) -> None:
    for level in Level:
        assert searches_of(query(level, key("StudyInstanceUID", uid))) == []
        assert [one.path for one in searches_of(query(Level.SERIES, key("StudyInstanceUID", uid, "1")))] == [
            "studies/1/series"
        ]


@pytest.mark.parametrize("values", [(), ("",), ("*",), ("1", "")])
def test_c_2_2_2_3_a_universal_key_names_nothing(values: tuple[str, ...]) -> None:
    assert only_search(Level.STUDY, key("StudyInstanceUID", *values)) == "studies"


def test_a_padded_uid_is_the_uid() -> None:
    assert only_search(Level.SERIES, key("StudyInstanceUID", "1.2\0")) == "studies/1.2/series"


@pytest.mark.parametrize(
    ("one", "parameter"),
    [
        (key("PatientID", "123"), "00100020=123"),
        (key("PatientName", "DOE^J*"), "00100010=DOE^J*"),
        (key("StudyDate", "20200101-"), "00080020=20200101-"),
        (key("StudyID", "5"), "00200010=5"),
        (key("ModalitiesInStudy", "CT", "PT", wanted=Wanted.EVERY), "00080061=CT"),
        (key("ModalitiesInStudy", "CT", wanted=Wanted.EVERY), "00080061=CT"),
        (key("ModalitiesInStudy", "CT", "*"), None),
        (key("ModalitiesInStudy", *"ABCDEFGHI"), None),
        (key("PatientID", wanted=Wanted.NOTHING), None),
        (key("PatientID", "*"), None),
        (key("StudyDate", "-"), None),
        (key("PatientAge", "020Y-030Y"), None),
        (key("RetrieveURL", "http://127.0.0.1"), None),
        (key("InstanceAvailability", "ONLINE"), None),
        (key("SOPClassesInStudy", "1.2", "1.3"), None),
        (key("SOPClassesInStudy", "1.2 "), "00080062=1.2"),
    ],
)
def test_a_server_is_given_what_narrows_its_matches(one: MatchingKey, parameter: str | None) -> None:
    (search,) = searches_of(query(Level.STUDY, one))
    given = [f"{name}={value}" for name, value in search.parameters() if name != "includefield"]
    assert given == ([parameter] if parameter else [])


def test_a_list_that_is_none_of_uids_is_asked_for_value_by_value() -> None:
    keys = (key("PatientID", "7"), key("ModalitiesInStudy", "CT", "MR"), key("StudyID", "1", "2"))
    assert [search.parameters()[:2] for search in searches_of(query(Level.STUDY, *keys))] == [
        (("00100020", "7"), ("00080061", "CT")),
        (("00100020", "7"), ("00080061", "MR")),
    ]


def test_fuzzy_matching_is_not_left_to_the_server() -> None:
    assert only_search(Level.STUDY, key("PatientName", "doe"), fuzzy=True) == "studies"


def test_8_3_4_1_an_attribute_in_a_sequence_is_a_dotted_path() -> None:
    name = "RequestAttributesSequence.RequestedProcedureID"
    found = only_search(Level.SERIES, STUDY, key(name, "7"))
    assert found == "studies/1/series?00400275.00401001=7&includefield=00400275"


def test_what_a_server_returns_anyway_is_not_asked_for() -> None:
    found = only_search(
        Level.STUDY,
        key("PatientAge", "020Y"),
        returned=("StudyInstanceUID", "PatientName", "StudyDescription", "RetrieveURL", "SeriesDescription"),
    )
    assert found == "studies?includefield=00081030,00101010"


@pytest.mark.parametrize(
    ("value", "loosened"),
    [
        ("Doe^Peter", "Doe*Peter"),
        ("Doe^*", "Doe*"),
        ("D?e^P?", "D?e*P?"),
        ("Buc^Jérôme", "Buc*J*r*me"),
        ("山田^太郎", None),
        ("*Люк*", None),
    ],
)
def test_what_is_escaped_in_a_url_can_be_left_to_wild_cards(value: str, loosened: str | None) -> None:
    (search,) = searches_of(query(Level.STUDY, key("PatientName", value), key("PatientID", "7")))
    loose = search.loosened()
    assert loose is not None
    name = (("00100010", loosened),) if loosened else ()
    assert loose.parameters() == (*name, ("00100020", "7"))


@pytest.mark.parametrize("value", ["Doe", "D?e*", "20200101-20201231", "a.b_c~d/e:f@g!(h)"])
def test_what_is_escaped_nowhere_stays(value: str) -> None:
    (search,) = searches_of(query(Level.STUDY, key("PatientID", value)))
    assert search.loosened() is None


def test_what_a_server_may_have_to_count_is_asked_for() -> None:
    names = ("ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "StudyDate")
    assert only_search(Level.STUDY, returned=names) == "studies?includefield=00080061,00201206,00201208"
    found = only_search(Level.SERIES, STUDY, returned=("NumberOfSeriesRelatedInstances", "Modality"))
    assert found == "studies/1/series?includefield=00201209"


def test_private_attributes_are_matched_here_alone() -> None:
    private = MatchingKey(("00091001",), ("x",))
    assert only_search(Level.STUDY, private) == "studies"


def test_the_plain_search_is_one_that_every_server_understands() -> None:
    keys = (key("StudyInstanceUID", "1"), key("PatientID", "7"), key("StudyDescription", "x*"))
    (search,) = searches_of(query(Level.STUDY, *keys, returned=("StudyDescription",)))
    assert search.plain().parameters() == (("00100020", "7"), ("0020000D", "1"))
