"""Where a study, series or instance is at a DICOMweb server (PS3.18 10.1.1)."""

from isthmus.common.dicom.uids import check_uid


def path_of(study: str, series: str | None = None, instance: str | None = None) -> str:
    """Give the path below the server's base URL.

    Raises:
        InvalidParameter: one of them is no UID; a server's list may hold anything.
    """
    path = f"studies/{check_uid(study, 'Study Instance UID')}"
    if series is not None:
        path += f"/series/{check_uid(series, 'Series Instance UID')}"
    if instance is not None:
        path += f"/instances/{check_uid(instance, 'SOP Instance UID')}"
    return path
