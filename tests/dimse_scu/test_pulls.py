"""Which ways of retrieving a DIMSE origin leaves to a job."""

import pytest

from isthmus.common.config import Quirk
from isthmus.common.retrieving.listing import Listed
from isthmus.common.retrieving.wording import Form, Wording, form_of
from isthmus.dimse_scu.pulls import never_used

INSTANCES = [Listed("1.2.1", f"1.2.1.{n}", "", "CT") for n in range(3)]


@pytest.mark.parametrize(
    ("quirks", "first"),
    [
        ({Quirk.NO_UID_LISTS}, Form.INSTANCE),
        ({Quirk.NO_IMAGE_LEVEL_RETRIEVE}, Form.SERIES),
        ({Quirk.NO_IMAGE_LEVEL_RETRIEVE, Quirk.NO_SERIES_LEVEL_RETRIEVE}, Form.STUDY),
        ({Quirk.NO_CANCEL, Quirk.WRONG_COUNTS, Quirk.UNCOMPRESSED_ONLY}, Form.LIST),
    ],
)
def test_quirks_are_words_that_are_never_used(quirks: set[Quirk], first: Form) -> None:
    (ask, *_) = Wording(never_used(quirks)).asks("1.2", INSTANCES)
    assert form_of(ask) is first
