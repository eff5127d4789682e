"""DICOMweb (PS3.18), as far as the HTTP faces and the workers for DICOMweb origins share it.

Which representation a client gets, multipart/related in both directions, the paths of resources, and errors
as answers. Nothing here knows a service or the bus.
"""

from isthmus.common.dicomweb.accept import (
    ANY,
    Choice,
    MediaRange,
    Offer,
    accepted_by,
    negotiate,
    parse_accept,
)
from isthmus.common.dicomweb.json_response import DicomJsonResponse, json_array
from isthmus.common.dicomweb.media_type import MediaType
from isthmus.common.dicomweb.multipart_in import Part, PartLimits, read_parts
from isthmus.common.dicomweb.multipart_out import MultipartWriter
from isthmus.common.dicomweb.offers import BULKDATA, BULKDATA_PARTS, DICOM_FILE, DICOM_JSON, DICOM_PARTS, JSON
from isthmus.common.dicomweb.problem import exception_handlers, http_status, problem_response
from isthmus.common.dicomweb.resource import (
    ALL,
    ROOTS,
    Resource,
    check_origin,
    origin_in,
    public_base_url,
    service_path,
)
from isthmus.common.dicomweb.warning import (
    additional_results,
    warning_header,
)

__all__ = [
    "ALL",
    "ANY",
    "BULKDATA",
    "BULKDATA_PARTS",
    "DICOM_FILE",
    "DICOM_JSON",
    "DICOM_PARTS",
    "JSON",
    "ROOTS",
    "Choice",
    "DicomJsonResponse",
    "MediaRange",
    "MediaType",
    "MultipartWriter",
    "Offer",
    "Part",
    "PartLimits",
    "Resource",
    "accepted_by",
    "additional_results",
    "check_origin",
    "exception_handlers",
    "http_status",
    "json_array",
    "negotiate",
    "origin_in",
    "parse_accept",
    "problem_response",
    "public_base_url",
    "read_parts",
    "service_path",
    "warning_header",
]
