"""Plans of what is rendered cost nothing until each is needed."""

from isthmus.common.blobs import held_key
from isthmus.common.dicom.explicit import EXPLICIT_VR_LITTLE_ENDIAN
from isthmus.common.dicomweb.offers import JPEG
from isthmus.common.messages import BlobRef
from isthmus.wado.pictures.renderings import Plan, Plans

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def test_as_many_frames_as_there_may_be_take_no_memory() -> None:
    key = held_key("pacs", "1.2", "1.2.3", "1.2.3.4", "0" * 64)
    blob = BlobRef("isthmus", key, 1, "1.2", "1.2.3", "1.2.3.4", SECONDARY_CAPTURE, EXPLICIT_VR_LITTLE_ENDIAN)
    one = Plan(blob, JPEG, "/frames")
    plans = Plans(one, range(1, 10**12), together=False)
    assert len(plans) == 10**12 - 1
    assert plans.first == one
    assert plans.name != Plans(one, range(1, 10**12 - 1), together=False).name
