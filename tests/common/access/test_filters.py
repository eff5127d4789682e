"""Which studies a permit is for, by what is known of them."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from isthmus.common.dicom.matching import Matcher, MatchingKey
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
    ("number", "is_there"),
    [
        ("AB12", True),
        ("AB", True),
        ("A", False),
        ("ab12", False),
        ("", False),
        ("AB*", False),
        ("AB?", False),
    ],
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


DAYS = st.dates(date(2023, 12, 28), date(2024, 1, 4))
CODES = st.sampled_from(["CT", "MR", "SR"])
NUMBERS = st.sampled_from(["A", "AB", "AB1", "B", "b", "A*", ""])


@st.composite
def filters(draw: st.DrawFn) -> dict[str, object]:
    """A filter that names something."""
    named = {
        "modality": st.lists(CODES, min_size=1),
        "accession_prefix": st.lists(NUMBERS.filter(bool), min_size=1),
        "institution": st.lists(st.sampled_from(["Mary", "Elsewhere"]), min_size=1),
    }
    names = draw(st.sets(st.sampled_from([*named, "since", "until"]), min_size=1))
    wanted: dict[str, object] = {name: draw(named[name]) for name in sorted(names & {*named})}
    ends = sorted(draw(DAYS) for _ in names & {"since", "until"})
    for name, day in zip(sorted(names & {"since", "until"}), ends, strict=True):
        wanted[name] = day.isoformat()
    return wanted


@st.composite
def a_study(draw: st.DrawFn) -> DicomJson:
    """The match of a search for studies, of an origin that tells what it likes."""
    told: DicomJson = {}
    if draw(st.booleans()):
        told |= attributes(StudyDate=draw(DAYS).strftime(draw(st.sampled_from(["%Y%m%d", "%Y.%m.%d"]))))
    if draw(st.booleans()):
        told |= attributes(AccessionNumber=draw(NUMBERS))
    if draw(st.booleans()):
        told["00080061"] = {"vr": "CS", "Value": [*draw(st.lists(CODES))]}
    return told


@given(st.lists(filters(), min_size=1, max_size=3), a_study(), st.sets(CODES))
def test_no_query_is_narrowed_below_what_is_seen(
    wanted: list[dict[str, object]], study: DicomJson, modalities: set[str]
) -> None:
    one = permit(*wanted)
    series = SeriesFacts(frozenset(modalities), frozenset({"mary"}))
    if is_seen(one, StudyFacts.of(study), series):
        if not StudyFacts.of(study).modalities:
            # As a worker fills it in before it judges a study by it.
            study = {**study, "00080061": {"vr": "CS", "Value": [*sorted(modalities)]}}
        assert Matcher(narrowing(one)).matches(study)


@given(st.lists(filters(), min_size=1, max_size=3), a_study(), st.tuples(DAYS, DAYS).map(sorted))
def test_nor_is_one_by_a_range_of_dates(
    wanted: list[dict[str, object]], study: DicomJson, days: list[date]
) -> None:
    one = permit(*wanted)
    first, last = (day.strftime("%Y%m%d") for day in days)
    for text in (f"{first}-{last}", f"{first}-", f"-{last}", first):
        asked = MatchingKey(("00080020",), (text,))
        (sent,) = (key for key in with_narrowing((asked,), one) if key.path == asked.path)
        if is_seen(one, StudyFacts.of(study)) and Matcher([asked]).matches(study):
            assert Matcher([sent]).matches(study)


@given(st.lists(filters(), min_size=1, max_size=3), a_study())
def test_what_series_tell_never_makes_another_verdict_of_one_that_stood(
    wanted: list[dict[str, object]], study: DicomJson
) -> None:
    one, facts = permit(*wanted), StudyFacts.of(study)
    told = is_seen(one, facts)
    if told is not None:
        for series in (SeriesFacts(), SeriesFacts(frozenset({"CT", "MR", "SR"}), frozenset({"mary"}))):
            assert is_seen(one, facts, series) is told
