"""DIMSE statuses in words."""

import pytest

from isthmus.common.dicom.statuses import meaning


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0x0000, "Success"),
        (0x0124, "Refused: not authorized"),
        (0xA702, "Refused: out of resources, unable to perform sub-operations"),
        (0xA77F, "Refused: out of resources"),
        (0xA9FF, "Data Set or Identifier does not match SOP Class"),
        (0xB123, "Warning"),
        (0xC001, "Unable to process"),
        (0xC122, "Transfer Syntax not supported"),
        (0xFE00, "Cancelled"),
        (0x0999, "Failure"),
    ],
)
def test_a_status_has_a_meaning(status: int, expected: str) -> None:
    assert meaning(status) == expected
