from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.qido import Plan, Scope, parse_parameters

STUDY = MatchingKey(("0020000D",), ("1.2",))
SERIES = MatchingKey(("0020000E",), ("1.2.3",))


def plan(level: Level, query: str = "", *path: str) -> Plan:
    uids = dict(zip(Level, path, strict=False))
    return Plan.of(Scope("pacs", level, uids), parse_parameters(query.encode(), level))


def levels(planned: Plan) -> list[Level]:
    return [step.level for step in planned.steps]


def keys(planned: Plan, index: int) -> tuple[MatchingKey, ...]:
    return planned.steps[index].query("pacs", planned.scope.attributes(), fuzzy=False).keys


def merged(planned: Plan, index: int, match: DicomJson) -> DicomJson:
    return planned.steps[index].merge({}, match)


def test_a_search_inside_its_parents_is_one_query() -> None:
    assert levels(plan(Level.STUDY)) == [Level.STUDY]
    assert levels(plan(Level.SERIES, "", "1.2")) == [Level.SERIES]
    assert levels(plan(Level.IMAGE, "Rows=512", "1.2", "1.2.3")) == [Level.IMAGE]


def test_the_path_gives_the_unique_keys() -> None:
    assert keys(plan(Level.SERIES, "Modality=CT", "1.2"), 0) == (STUDY, MatchingKey(("00080060",), ("CT",)))
    assert keys(plan(Level.IMAGE, "", "1.2", "1.2.3"), 0) == (STUDY, SERIES)


def test_a_relational_search_begins_at_the_level_that_is_open() -> None:
    assert levels(plan(Level.SERIES)) == [Level.STUDY, Level.SERIES]
    assert levels(plan(Level.IMAGE)) == [Level.STUDY, Level.SERIES, Level.IMAGE]
    assert levels(plan(Level.IMAGE, "", "1.2")) == [Level.SERIES, Level.IMAGE]


def test_each_level_gets_only_its_own_keys() -> None:
    planned = plan(Level.IMAGE, "PatientID=7&SeriesNumber=2&InstanceNumber=1")
    assert keys(planned, 0) == (MatchingKey(("00100020",), ("7",)),)
    assert keys(planned, 1) == (MatchingKey(("00200011",), ("2",)),)
    assert keys(planned, 2) == (MatchingKey(("00200013",), ("1",)),)


def test_keys_and_fields_of_the_levels_above_need_their_query() -> None:
    assert levels(plan(Level.SERIES, "PatientName=Doe", "1.2")) == [Level.STUDY, Level.SERIES]
    assert levels(plan(Level.IMAGE, "includefield=StudyDate", "1.2", "1.2.3")) == [Level.STUDY, Level.IMAGE]
    assert keys(plan(Level.IMAGE, "Modality=CT", "1.2", "1.2.3"), 0)[:2] == (STUDY, SERIES)


def test_a_uid_of_the_path_needs_no_query() -> None:
    assert levels(plan(Level.SERIES, "includefield=StudyInstanceUID", "1.2")) == [Level.SERIES]


def test_studies_without_the_modality_of_the_series_are_not_looked_into() -> None:
    planned = plan(Level.SERIES, "Modality=SR")
    assert keys(planned, 0) == (MatchingKey(("00080061",), ("SR",)),)
    assert keys(planned, 1) == (MatchingKey(("00080060",), ("SR",)),)


def test_modalities_that_the_client_names_itself_stay() -> None:
    planned = plan(Level.SERIES, "Modality=SR&ModalitiesInStudy=CT")
    assert keys(planned, 0) == (MatchingKey(("00080061",), ("CT",)),)


def test_series_without_a_modality_are_looked_for_in_all_studies() -> None:
    assert keys(plan(Level.SERIES, "Modality=%22%22&emptyvaluematching=true"), 0) == ()


def test_what_the_client_wants_is_asked_for() -> None:
    asked = plan(Level.STUDY, "PatientAge=020-030&includefield=00081030").steps[0].asked
    assert {("00101010",), ("00081030",), ("00100030",), ("00080020",), ("00080061",)} <= set(asked)


def test_all_adds_the_optional_keys_of_the_open_levels() -> None:
    planned = plan(Level.IMAGE, "includefield=all", "1.2")
    assert levels(planned) == [Level.SERIES, Level.IMAGE]
    assert ("00180015",) in planned.steps[0].asked
    assert ("00080008",) in planned.steps[1].asked


def test_what_nobody_asked_for_is_dropped() -> None:
    match: DicomJson = {"0020000D": {"vr": "UI", "Value": ["1.2"]}, "00081030": {"vr": "LO", "Value": ["x"]}}
    assert "00081030" not in merged(plan(Level.STUDY), 0, match)
    assert "00081030" in merged(plan(Level.STUDY, "includefield=00081030"), 0, match)


def test_a_required_attribute_that_the_origin_left_out_is_there_without_a_value() -> None:
    answer = merged(plan(Level.STUDY), 0, {})
    assert answer["00080061"] == {"vr": "CS"}
    assert answer["00100010"] == {"vr": "PN"}


def test_an_optional_attribute_that_the_origin_left_out_is_not_there() -> None:
    assert "00081030" not in merged(plan(Level.STUDY, "includefield=00081030"), 0, {})


def test_of_a_level_that_the_path_names_only_what_was_asked_for_is_returned() -> None:
    match: DicomJson = {
        "00080020": {"vr": "DA", "Value": ["20200101"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe"}]},
    }
    assert list(merged(plan(Level.SERIES, "includefield=StudyDate", "1.2"), 0, match)) == ["00080020"]


def test_the_availability_of_a_study_is_not_that_of_its_series() -> None:
    match: DicomJson = {"00080056": {"vr": "CS", "Value": ["ONLINE"]}}
    assert "00080056" in merged(plan(Level.STUDY), 0, match)
    assert "00080056" not in merged(plan(Level.SERIES), 0, match)


def test_fuzzy_matching_is_the_worker_s() -> None:
    planned = plan(Level.STUDY, "PatientName=doe&fuzzymatching=true")
    assert planned.fuzzy
    assert planned.steps[0].query("pacs", {}, fuzzy=planned.fuzzy).fuzzy
