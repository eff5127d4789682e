import pytest

from isthmus.common.dicom.levels import Level


def test_there_is_no_patient_level_in_study_root() -> None:
    with pytest.raises(ValueError, match="PATIENT"):
        Level("PATIENT")


def test_levels_are_ordered_from_the_top() -> None:
    assert sorted([Level.IMAGE, Level.STUDY, Level.SERIES]) == [Level.STUDY, Level.SERIES, Level.IMAGE]


def test_a_level_is_not_above_itself() -> None:
    assert not Level.SERIES < Level.SERIES
    assert Level.SERIES <= Level.SERIES


def test_comparison_works_in_both_directions() -> None:
    assert Level.IMAGE > Level.STUDY
    assert Level.IMAGE >= Level.IMAGE


def test_depth_is_counted_from_the_study() -> None:
    assert [level.depth for level in (Level.STUDY, Level.SERIES, Level.IMAGE)] == [0, 1, 2]
