"""Identifiers that we write, and those that we get."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from isthmus.common.dimse.identifiers import encode_identifier, failed_sop_instance_uids
from isthmus.common.errors import InvalidParameter


def test_a_value_that_cannot_be_written_is_named() -> None:
    identifier = Dataset()
    identifier.add(DataElement(0x00200010, "US", "no number", validation_mode=0))
    with pytest.raises(InvalidParameter, match="identifier"):
        encode_identifier(identifier, ExplicitVRLittleEndian)


@given(data=st.binary(max_size=64), syntax=st.sampled_from([ExplicitVRLittleEndian, ImplicitVRLittleEndian]))
def test_what_cannot_be_read_fails_nothing(data: bytes, syntax: str) -> None:
    assert isinstance(failed_sop_instance_uids(data, syntax), tuple)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_the_list_is_found_behind_other_attributes(syntax: str) -> None:
    identifier = Dataset()
    identifier.SpecificCharacterSet = "ISO_IR 100"
    identifier.FailedSOPInstanceUIDList = ["1.2.3", "1.2.3.44"]
    encoded = encode_identifier(identifier, syntax).getvalue()
    assert failed_sop_instance_uids(encoded, syntax) == ("1.2.3", "1.2.3.44")


def test_no_list_is_an_empty_one() -> None:
    assert failed_sop_instance_uids(b"", ExplicitVRLittleEndian) == ()
