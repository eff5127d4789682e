"""Which studies a permit is for, by what is known of them."""

from datetime import date, timedelta

import pytest

from isthmus.common.access.filters import (
    SeriesFacts,
    StudyFacts,
    asked_of_studies,
    is_seen,
    narrowing,
    with_narrowing,
)
from isthmus.common.auth import Permit
from isthmus.common.config.access import StudyFilter
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.matching import MatchingKey
from tests.qido.pacs import attributes


def permit(*filters: dict[str, object]) -> Permit:
    return Permit(tuple(StudyFilter.model_validate(one) for one in filters))


def seen(wanted: dict[str, object], study: DicomJson, *series: DicomJson, asked: bool = False) -> bool | None:
    told = SeriesFacts.of(series) if asked else None
    return is_seen(permit(wanted), StudyFacts.of(study), told)


def days_ago(days: int) -> str:
    return (date.today() - timedelta(days=days)).strftime("%Y%m%d")


@pytest.mark.parametrize(
    ("wanted", "told", "is_there"),
    [
        ({"since": "2024-01-02"}, "20240102", True),
        ({"since": "2024-01-02"}, "20240101", False),
        ({"since": "2024-01-02"}, "2024.01.02", True),
        ({"until": "2024-01-02"}, "20240102", True),
        ({"until": "2024-01-02"}, "20240103", False),
        ({"since": "2024-01-02"}, "", False),
        ({"until": "2024-01-02"}, "yesterday", False),
        ({"last_days": 2}, days_ago(2), True),
        ({"last_days": 2}, days_ago(3), False),
        ({"last_days": 2, "since": days_ago(1)}, days_ago(2), False),
    ],
)
def test_a_date_window(wanted: dict[str, object], told: str, is_there: bool) -> None:
    if isinstance(since := wanted.get("since"), str) and "-" not in since:
        wanted = {**wanted, "since": f"{since[:4]}-{since[4:6]}-{since[6:]}"}
    assert seen(wanted, attributes(StudyInstanceUID="1.2", StudyDate=told)) is is_there


def test_without_a_date_it_is_in_no_window() -> None:
    assert seen({"until": "2999-01-01"}, attributes(StudyInstanceUID="1.2")) is False


@pytest.mark.parametrize(
    ("number", "is_there"), [("AB12", True), ("AB", True), ("A", False), ("ab12", False), ("", False)]
)
def test_an_accession_prefix(number: str, is_there: bool) -> None:
    wanted: dict[str, object] = {"accession_prefix": ["AB", "X"]}
    assert seen(wanted, attributes(StudyInstanceUID="1.2", AccessionNumber=number)) is is_there


def test_the_modalities_of_a_study() -> None:
    wanted: dict[str, object] = {"modality": ["CT", "MR"]}
    several: DicomJson = {"00080061": {"vr": "CS", "Value": ["SR", "mr "]}}
    assert seen(wanted, several) is True
    assert seen(wanted, attributes(ModalitiesInStudy="US")) is False


def test_the_modalities_that_only_the_series_tell() -> None:
    wanted: dict[str, object] = {"modality": ["CT"]}
    series = [attributes(SeriesInstanceUID="1", Modality=one) for one in ("SR", "CT")]
    for study in (attributes(StudyInstanceUID="1.2"), attributes(ModalitiesInStudy="")):
        assert seen(wanted, study) is None
        assert seen(wanted, study, *series, asked=True) is True
        assert seen(wanted, study, series[0], asked=True) is False
        assert seen(wanted, study, asked=True) is False


def test_an_institution_of_the_study_or_of_one_of_its_series() -> None:
    wanted: dict[str, object] = {"institution": ["St. Mary"]}
    assert seen(wanted, attributes(InstitutionName="ST. MARY ")) is True
    other = attributes(InstitutionName="General")
    assert seen(wanted, other) is None
    assert seen(wanted, other, attributes(InstitutionName="st. mary"), asked=True) is True
    assert seen(wanted, other, attributes(Modality="CT"), asked=True) is False


def test_all_that_a_filter_names_must_hold() -> None:
    wanted: dict[str, object] = {"modality": ["CT"], "since": "2024-01-01"}
    assert seen(wanted, attributes(ModalitiesInStudy="CT", StudyDate="20240101")) is True
    assert seen(wanted, attributes(ModalitiesInStudy="CT", StudyDate="20230101")) is False
    # What one attribute forbids need not be asked for by another.
    assert seen(wanted, attributes(StudyDate="20230101")) is False


def test_one_filter_is_enough() -> None:
    both = permit({"modality": ["CT"]}, {"accession_prefix": ["A"]})
    assert is_seen(both, StudyFacts.of(attributes(AccessionNumber="A1"))) is True
    assert is_seen(both, StudyFacts.of(attributes(ModalitiesInStudy="CT"))) is True
    assert is_seen(both, StudyFacts.of(attributes(ModalitiesInStudy="US"))) is False
    assert is_seen(both, StudyFacts.of(attributes(AccessionNumber="B"))) is None


def test_a_link_is_for_its_study_alone() -> None:
    link = Permit(study="1.2")
    assert is_seen(link, StudyFacts.of(attributes(StudyInstanceUID="1.2"))) is True
    assert is_seen(link, StudyFacts.of(attributes(StudyInstanceUID="1.2.3"))) is False
    assert is_seen(link, StudyFacts.of({})) is False
    assert narrowing(link) == (MatchingKey(("0020000D",), ("1.2",)),)
    assert asked_of_studies(link) == ()


def test_what_every_filter_names_narrows_a_query() -> None:
    keys = {
        key.path[0]: key.values
        for key in narrowing(permit({"modality": ["MR", "CT"], "since": "2024-01-02"}))
    }
    assert keys == {"00080061": ("CT", "MR"), "00080020": ("20240102-",)}
    keys = {
        key.path[0]: key.values
        for key in narrowing(
            permit(
                {"accession_prefix": ["B"], "since": "2024-01-02", "until": "2024-02-01"},
                {"accession_prefix": ["A"], "since": "2023-01-02"},
            )
        )
    }
    assert keys == {"00080050": ("A*", "B*"), "00080020": ("20230102-",)}


@pytest.mark.parametrize(
    "filters",
    [
        ({"modality": ["CT"]}, {"accession_prefix": ["A"]}),
        ({"since": "2024-01-02"}, {"until": "2024-01-02"}),
        ({"institution": ["A"]},),
        ({"accession_prefix": ["A*"]},),
        ({"accession_prefix": ["0123456789abcdef"]},),
        (),
    ],
)
def test_what_may_hide_a_study_that_is_seen_narrows_nothing(filters: tuple[dict[str, object], ...]) -> None:
    assert narrowing(permit(*filters)) == ()


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("20240601-20260101", "20240601-20241231"),
        ("20200101-", "20240101-20241231"),
        ("-20240601", "20240101-20240601"),
        ("20200101-20210101", "20200101-20210101"),
        ("20240601", "20240601"),
        ("2024.06.01-20260101", "20240601-20241231"),
        ("nonsense-20260101", "nonsense-20260101"),
    ],
)
def test_of_a_range_of_dates_what_is_seen_is_asked_for(asked: str, sent: str) -> None:
    key = MatchingKey(("00080020",), (asked,))
    year = permit({"since": "2024-01-01", "until": "2024-12-31"})
    assert with_narrowing((key,), year) == (MatchingKey(("00080020",), (sent,)),)


def test_another_key_of_the_client_stays() -> None:
    key = MatchingKey(("00080061",), ("US",))
    others = with_narrowing((key,), permit({"modality": ["CT"], "accession_prefix": ["A"]}))
    assert others == (key, MatchingKey(("00080050",), ("A*",)))
