"""Where a study, series or instance is at a DICOMweb server (PS3.18 10.1.1)."""

from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.uids import check_uid
from isthmus.common.retrieving.ask import Ask


def path_of(ask: Ask) -> str:
    """Give the path of what is asked for, below the server's base URL; of several instances the first one's.

    Raises:
        InvalidParameter: something of it is no UID; a server's list may hold anything.
    """
    path = f"studies/{check_uid(ask.study, 'Study Instance UID')}"
    if ask.series:
        path += f"/series/{check_uid(ask.series, 'Series Instance UID')}"
    if ask.level is Level.IMAGE:
        path += f"/instances/{check_uid(ask.instances[0].sop_instance_uid, 'SOP Instance UID')}"
    return path
