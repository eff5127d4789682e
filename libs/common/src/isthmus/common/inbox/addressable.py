"""What an inbox takes in can be asked for: its UIDs can be written into a URL."""

from isthmus.common.dicom.part10 import Identity
from isthmus.common.dicom.uids import check_uid
from isthmus.common.errors import InvalidParameter


def unaddressable(identity: Identity) -> str | None:
    """Say why nobody could retrieve or delete an instance; None where its UIDs are some (`check_uid`).

    It is refused with 0117 (PS3.7 C.5.12): what is acknowledged is not to be out of reach.
    """
    uids = {
        "StudyInstanceUID": identity.study_instance_uid,
        "SeriesInstanceUID": identity.series_instance_uid,
        "SOPInstanceUID": identity.sop_instance_uid,
    }
    try:
        for keyword, uid in uids.items():
            check_uid(uid, keyword)
    except InvalidParameter as error:
        return error.detail.replace(": ", " ", 1)
    return None
