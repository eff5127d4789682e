"""What an inbox refuses because no URL can name it."""

from dataclasses import replace

import pytest

from isthmus.common.dicom.part10 import Identity
from isthmus.common.inbox.addressable import unaddressable

GOOD = Identity("1.2.3", "1.2.3.4", "1.2.3.4.5", "1.2.840.10008.5.1.4.1.1.2")
WORSE = "PATIENT_7-a." + "3" * 116


@pytest.mark.parametrize("uid", ["1.2.3", "0", WORSE])
def test_what_real_archives_hold_is_taken(uid: str) -> None:
    assert unaddressable(Identity(uid, uid, uid, uid)) is None


@pytest.mark.parametrize(
    "uid", ["../../x", "1.2/3", "1.2 3", "1.2*", ".", "..", "1.2\\1.3", "1.2é", f"{WORSE}3", ""]
)
@pytest.mark.parametrize(
    ("field", "keyword"),
    [
        ("study_instance_uid", "StudyInstanceUID"),
        ("series_instance_uid", "SeriesInstanceUID"),
        ("sop_instance_uid", "SOPInstanceUID"),
    ],
)
def test_what_no_url_can_name_is_told_without_quoting_it(field: str, keyword: str, uid: str) -> None:
    assert unaddressable(replace(GOOD, **{field: uid})) == (
        f"{keyword} is no UID: 1 to 128 characters of 0-9 A-Z a-z . _ -"
    )
