"""The representations that there are (PS3.18 Table 10.4.4-1, 10.6.3, 10.5.3): each named once."""

from typing import Final

from isthmus.common.dicom.encapsulated import COMPRESSED_MEDIA_TYPES
from isthmus.common.dicom.explicit import EXPLICIT_VR_LITTLE_ENDIAN
from isthmus.common.dicomweb.accept import ANY, Offer

DICOM_PARTS: Final = Offer("application/dicom", multipart=True, transfer_syntaxes=(ANY,))
DICOM_FILE: Final = Offer("application/dicom", transfer_syntaxes=(ANY,))
ZIP: Final = Offer("application/zip", transfer_syntaxes=(ANY,), holds="application/dicom")
DICOM_JSON: Final = Offer("application/dicom+json")
JSON: Final = Offer("application/json")
DICOM_XML: Final = Offer("application/dicom+xml")
DICOM_XML_PARTS: Final = Offer("application/dicom+xml", multipart=True)
# Bulkdata in octet streams is little endian and uncompressed (PS3.18 8.7.3.3.1).
BULKDATA_PARTS: Final = Offer(
    "application/octet-stream", multipart=True, transfer_syntaxes=(EXPLICIT_VR_LITTLE_ENDIAN,)
)
BULKDATA: Final = Offer("application/octet-stream", transfer_syntaxes=(EXPLICIT_VR_LITTLE_ENDIAN,))
COMPRESSED_PARTS: Final = tuple(Offer(name, multipart=True) for name in sorted(COMPRESSED_MEDIA_TYPES))
COMPRESSED: Final = tuple(Offer(name) for name in sorted(COMPRESSED_MEDIA_TYPES))
JPEG: Final = Offer("image/jpeg")
PNG: Final = Offer("image/png")
GIF: Final = Offer("image/gif")
HTML: Final = Offer("text/html")
TEXT: Final = Offer("text/plain")
XML: Final = Offer("text/xml")
PDF: Final = Offer("application/pdf")
STL: Final = Offer("model/stl")
OBJ: Final = Offer("model/obj")
MTL: Final = Offer("model/mtl")
MODELS: Final = (STL, OBJ, MTL)
VIDEOS: Final = tuple(Offer(name) for name in ("video/mpeg", "video/mpeg2", "video/mp4", "video/H265"))
"""As they are held."""
