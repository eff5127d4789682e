import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.common.dicom.attributes import parse_path
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey, Wanted
from isthmus.common.errors import InvalidParameter
from isthmus.qido import SearchParameters, parse_parameters

STUDY_UID = ("0020000D",)
PATIENT_NAME = ("00100010",)
MODALITIES = ("00080061",)


def studies(query: str) -> SearchParameters:
    return parse_parameters(query.encode(), Level.STUDY)


def series(query: str) -> SearchParameters:
    return parse_parameters(query.encode(), Level.SERIES)


def refused(query: str, level: Level = Level.STUDY) -> InvalidParameter:
    with pytest.raises(InvalidParameter) as caught:
        parse_parameters(query.encode(), level)
    return caught.value


@pytest.mark.parametrize(
    "name",
    [
        "PatientNam",
        "deadbeef",
        "00100000",
        "00020010",
        "PatientName.PatientID",
        "00400275.foo",
        "RequestAttributesSequence.NoAttribute",
    ],
)
def test_a_name_that_is_meant_as_an_attribute_and_is_none_is_named(name: str) -> None:
    assert refused(f"{name}=1", Level.IMAGE).parameter == name


@pytest.mark.parametrize("name", ["_dc", "charset", "accept", "orderby", "patient-name", "foo.bar", ""])
def test_other_unknown_parameters_are_ignored(name: str) -> None:
    assert studies(f"{name}=x&limit=1") == SearchParameters(limit=1)


@pytest.mark.parametrize("name", ["limit", "offset"])
@pytest.mark.parametrize("value", ["-1", "+1", "1.0", "x", "", "%D9%A1", "1" * 19])
def test_what_is_no_unsigned_integer_is_refused(name: str, value: str) -> None:
    assert refused(f"{name}={value}").parameter == name


@pytest.mark.parametrize("name", ["fuzzymatching", "emptyvaluematching", "multiplevaluematching"])
def test_what_is_neither_true_nor_false_is_refused(name: str) -> None:
    assert refused(f"{name}=yes").parameter == name


@pytest.mark.parametrize(
    "query", ["limit=1&limit=2", "offset=1&offset=1", "fuzzymatching=true&fuzzymatching=false"]
)
def test_a_parameter_given_twice_is_refused(query: str) -> None:
    assert refused(query).parameter == query.partition("=")[0]


def test_an_attribute_given_twice_is_refused_also_by_another_name() -> None:
    assert refused("PatientName=A&00100010=B").parameter == "00100010"
    assert refused("ModalitiesInStudy=CT&Modality=MR").parameter == "Modality"


@pytest.mark.parametrize(
    "query",
    [
        "StudyDate=20143822",
        "StudyDate=20200102-20200101",
        "StudyDate=-",
        "StudyTime=25",
        "PatientAge=030-020",
        "StudyInstanceUID=1.2,1%202",
        "StudyInstanceUID=*",
        "StudyInstanceUID=,",
        "NumberOfStudyRelatedInstances=many",
        "PatientID=" + "1" * 65,
        "PatientName=A%00B",
    ],
)
def test_a_value_that_its_vr_forbids_is_refused_without_quoting_it(query: str) -> None:
    name, _, value = query.partition("=")
    error = refused(query)
    assert error.parameter == name
    assert value not in error.detail or len(value) == 1


def test_a_sequence_itself_cannot_be_matched() -> None:
    assert refused("RequestAttributesSequence=1", Level.SERIES).parameter == "RequestAttributesSequence"


def test_a_private_attribute_cannot_be_matched() -> None:
    assert refused("00091001=1").parameter == "00091001"


@pytest.mark.parametrize("name", ["RetrieveURL", "InstanceAvailability", "TimezoneOffsetFromUTC", "00080005"])
def test_what_describes_the_answer_cannot_be_matched(name: str) -> None:
    assert refused(f"{name}=ONLINE", Level.IMAGE).parameter == name


def test_an_attribute_of_a_lower_level_cannot_be_matched() -> None:
    error = refused("SeriesDescription=Thorax")
    assert error.parameter == "SeriesDescription"
    assert "/series" in error.detail
    assert refused("SOPClassUID=1.2", Level.SERIES).parameter == "SOPClassUID"


def test_includefield_of_no_attribute_is_refused() -> None:
    assert refused("includefield=StudyDescription,Studydescription").parameter == "includefield"


@pytest.mark.parametrize("query", [b"PatientName=%FF", b"PatientName=\xff"])
def test_what_is_no_utf_8_is_refused(query: bytes) -> None:
    with pytest.raises(InvalidParameter, match="UTF-8"):
        parse_parameters(query, Level.STUDY)


@given(st.binary(max_size=60), st.sampled_from(Level))
def test_any_query_string_is_read_or_refused(query: bytes, level: Level) -> None:
    try:
        parameters = parse_parameters(query, level)
    except InvalidParameter:
        return
    assert parameters.offset >= 0


def test_no_parameters_match_everything() -> None:
    assert studies("") == SearchParameters()


@pytest.mark.parametrize("name", ["PatientName", "00100010"])
def test_an_attribute_is_named_by_keyword_or_tag(name: str) -> None:
    assert studies(f"{name}=Doe*").keys == (MatchingKey(PATIENT_NAME, ("Doe*",)),)


def test_a_tag_may_be_in_lower_case() -> None:
    assert studies("0020000d=1.2").keys == (MatchingKey(STUDY_UID, ("1.2",)),)


@pytest.mark.parametrize("name", ["RequestAttributesSequence.RequestedProcedureID", "00400275.00401001"])
def test_an_attribute_inside_a_sequence_is_named_by_its_path(name: str) -> None:
    assert series(f"{name}=A1").keys == (MatchingKey(("00400275", "00401001"), ("A1",)),)


@pytest.mark.parametrize(
    "query",
    [
        "StudyInstanceUID=1.2,1.3",
        "StudyInstanceUID=1.2%5C1.3",
        "StudyInstanceUID=1.2&StudyInstanceUID=1.3",
        "0020000D=1.2,&StudyInstanceUID=%201.3",
    ],
)
def test_uids_come_as_a_list_by_comma_or_backslash_or_repeated(query: str) -> None:
    assert studies(query).keys == (MatchingKey(STUDY_UID, ("1.2", "1.3")),)


def test_modalities_come_as_a_list_too() -> None:
    assert studies("ModalitiesInStudy=CT,MR").keys == (MatchingKey(MODALITIES, ("CT", "MR")),)


def test_a_comma_in_another_value_is_part_of_it() -> None:
    assert studies("PatientName=Doe,John").keys == (MatchingKey(PATIENT_NAME, ("Doe,John",)),)


def test_modality_of_a_study_means_its_modalities() -> None:
    assert studies("Modality=CT").keys == (MatchingKey(MODALITIES, ("CT",)),)


def test_modality_of_a_series_is_its_own() -> None:
    assert series("Modality=CT").keys == (MatchingKey(("00080060",), ("CT",)),)


def test_an_attribute_of_a_higher_level_can_be_matched() -> None:
    assert series("PatientName=Doe").keys == (MatchingKey(PATIENT_NAME, ("Doe",)),)


@pytest.mark.parametrize("value", ["20200101-20201231", "20200101-", "-20201231", "20200101"])
def test_dates_may_be_ranges(value: str) -> None:
    assert studies(f"StudyDate={value}").keys == (MatchingKey(("00080020",), (value,)),)


def test_ages_may_be_ranges() -> None:
    assert studies("PatientAge=020-030&Modality=CT").keys == (
        MatchingKey(("00101010",), ("020-030",)),
        MatchingKey(MODALITIES, ("CT",)),
    )


def test_values_are_percent_encoded_utf_8() -> None:
    assert studies("PatientName=M%C3%BCller%5E*").keys == (MatchingKey(PATIENT_NAME, ("Müller^*",)),)


@pytest.mark.parametrize("query", ["StudyDescription=", "StudyDescription=*", "includefield=00081030"])
def test_what_matches_everything_is_only_returned(query: str) -> None:
    assert studies(query) == SearchParameters(include=(("00081030",),))


@pytest.mark.parametrize(
    "query",
    [
        "includefield=StudyDescription,00101010",
        "includefield=StudyDescription&includefield=PatientAge",
        "includefield=00081030%2C00101010",
        "includefield=StudyDescription,%20PatientAge,,StudyDescription",
    ],
)
def test_includefield_is_a_list_or_repeated(query: str) -> None:
    assert studies(query).include == (("00081030",), ("00101010",))


def test_includefield_all() -> None:
    parameters = studies("includefield=all")
    assert parameters.include_all
    assert parameters.include == ()


@pytest.mark.parametrize("field", ["00080060", "SOPInstanceUID", "00091001", "RetrieveURL"])
def test_includefield_of_what_is_not_returned_is_no_error(field: str) -> None:
    assert studies(f"includefield={field}") == SearchParameters()


def test_limit_and_offset() -> None:
    parameters = studies("limit=0&offset=20")
    assert (parameters.limit, parameters.offset) == (0, 20)


def test_fuzzy_matching_is_supported() -> None:
    assert studies("fuzzymatching=true") == SearchParameters(fuzzy=True)
    assert studies("fuzzymatching=false") == SearchParameters()


@pytest.mark.parametrize("name", ["AccessionNumber", "StudyDate", "PatientName", "PatientAge", "PatientSize"])
def test_8_3_4_5_two_quotation_marks_mean_no_value(name: str) -> None:
    (key,) = studies(f"{name}=%22%22&emptyvaluematching=true").keys
    assert key == MatchingKey(parse_path(name, name), (), Wanted.NOTHING)
    assert studies(f"emptyvaluematching=true&{name}=").keys == ()


def test_without_empty_value_matching_they_are_a_text_like_others() -> None:
    assert studies("StudyID=%22%22").keys == (MatchingKey(("00200010",), ('""',)),)
    assert studies("StudyID=%22%22&emptyvaluematching=false").keys == (MatchingKey(("00200010",), ('""',)),)
    assert refused("StudyDate=%22%22").parameter == "StudyDate"


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("RequestAttributesSequence", Level.SERIES),
        ("00091001", Level.STUDY),
        ("RetrieveURL", Level.STUDY),
        ("SeriesDescription", Level.STUDY),
        ("PixelData", Level.IMAGE),
    ],
)
def test_what_cannot_be_matched_cannot_be_matched_empty(name: str, level: Level) -> None:
    assert refused(f"{name}=%22%22&emptyvaluematching=true", level).parameter == name


def test_an_attribute_is_not_given_with_and_without_a_value() -> None:
    query = "StudyInstanceUID=%22%22&StudyInstanceUID=1.2&emptyvaluematching=true"
    assert refused(query).parameter == "StudyInstanceUID"


@pytest.mark.parametrize("values", ["CT%5CPT", "CT,PT", "CT%5C%20PT"])
@pytest.mark.parametrize("name", ["ModalitiesInStudy", "Modality"])
def test_8_3_4_6_several_values_of_a_multi_valued_attribute_must_all_be_there(name: str, values: str) -> None:
    assert studies(f"{name}={values}&multiplevaluematching=true").keys == (
        MatchingKey(MODALITIES, ("CT", "PT"), Wanted.EVERY),
    )
    assert studies(f"{name}={values}&multiplevaluematching=false").keys == (
        MatchingKey(MODALITIES, ("CT", "PT")),
    )


def test_of_a_text_only_a_backslash_separates_several_values() -> None:
    (key,) = studies("OtherPatientNames=Doe,%20Jane%5CRoe&multiplevaluematching=true").keys
    assert key == MatchingKey(("00101001",), ("Doe, Jane", "Roe"), Wanted.EVERY)


@pytest.mark.parametrize("query", ["StudyInstanceUID=1.2,1.3", "StudyInstanceUID=1.2&StudyInstanceUID=1.3"])
def test_a_list_of_uids_means_any_of_them_all_the_same(query: str) -> None:
    assert studies(f"{query}&multiplevaluematching=true").keys == (MatchingKey(STUDY_UID, ("1.2", "1.3")),)


def test_an_attribute_of_one_value_has_no_several_values() -> None:
    assert series("Modality=CT,PT&multiplevaluematching=true").keys == (
        MatchingKey(("00080060",), ("CT", "PT")),
    )
    assert refused("PatientID=1%5C2&multiplevaluematching=true").parameter == "PatientID"


def test_several_values_have_no_wild_cards_and_one_may() -> None:
    assert refused("ModalitiesInStudy=C*,PT&multiplevaluematching=true").parameter == "ModalitiesInStudy"
    assert studies("ModalitiesInStudy=C*&multiplevaluematching=true").keys == (
        MatchingKey(MODALITIES, ("C*",)),
    )


def test_what_a_viewer_asks() -> None:
    query = "limit=101&offset=0&fuzzymatching=true&includefield=00081030%2C00080060"
    assert studies(query) == SearchParameters(include=(("00081030",),), limit=101, fuzzy=True)
