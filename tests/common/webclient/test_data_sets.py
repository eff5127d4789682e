"""Whatever JSON comes: it is a data set as we write them, or none."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.common.webclient import data_sets
from isthmus.common.webclient.data_sets import data_set

_TAGS = st.sampled_from(["00080018", "00100010", "0020000d", "00081110", "0040A730", "PatientID", "0008 005"])
_VRS = st.sampled_from(["UI", "PN", "SQ", "LO", "OB", "", None, 7])
_PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(string.printable, max_size=3)
)


def _elements(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    items = st.lists(values | _data_sets(values), max_size=3)
    members = {"Value": items | _PLAIN, "BulkDataURI": _PLAIN, "InlineBinary": _PLAIN, "x": _PLAIN}
    return st.fixed_dictionaries({"vr": _VRS}, optional=members) | _PLAIN


def _data_sets(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.dictionaries(_TAGS, st.deferred(lambda: _elements(values)), max_size=3)


@given(_data_sets(_PLAIN | st.lists(_PLAIN, max_size=2)))
def test_a_data_set_or_none(parsed: object) -> None:
    try:
        found = data_set(parsed)
    except ValueError:
        return
    _is_well_formed(found)
    assert data_set(found) is found, "what is right stays as it is"


@given(_data_sets(_PLAIN | st.lists(_PLAIN, max_size=2)))
def test_what_is_right_of_it_or_none(parsed: object) -> None:
    left_out: list[str] = []
    try:
        found = data_set(parsed, left_out)
    except ValueError:
        return
    _is_well_formed(found)
    assert found or not parsed, "of nothing that is right nothing is made"
    if left_out:
        with pytest.raises(ValueError, match="|".join(map(re.escape, left_out))):
            data_set(parsed)
    else:
        assert found == data_set(parsed)


@given(_data_sets(_PLAIN))
def test_what_is_taken_as_it_is_would_not_have_been_changed(parsed: object) -> None:
    if data_sets._is_right(parsed, 0):
        assert data_sets._data_set(parsed, 0) == parsed


def _is_well_formed(found: object) -> None:
    assert isinstance(found, dict)
    assert list(found) == sorted(found)
    for tag, element in found.items():
        assert len(tag) == 8
        assert set(tag) <= set("0123456789ABCDEF")
        assert isinstance(element, dict)
        assert isinstance(element["vr"], str)
        assert set(element) - {"vr"} <= {"Value", "BulkDataURI", "InlineBinary"}
        assert len(element) <= 2
        values = element.get("Value", [None])
        assert isinstance(values, list)
        assert values
        for value in values:
            if element["vr"] == "SQ" and "Value" in element:
                _is_well_formed(value)
            else:
                assert not isinstance(value, list | bool)
