"""The Native DICOM Model (PS3.19 A.1), written from what pydicom writes as JSON."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydicom.datadict import keyword_for_tag

NAMESPACE: Final = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
COMPONENTS: Final = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")

Json = Mapping[str, Any]


def native_xml(ds: Json) -> bytes:
    """Write a data set as a document."""
    root = ET.Element("NativeDicomModel", {"xmlns": NAMESPACE, "xml:space": "preserve"})
    _add_attributes(root, ds)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _add_attributes(parent: ET.Element, ds: Json) -> None:
    for tag, element in ds.items():
        attribute = ET.SubElement(parent, "DicomAttribute", {"tag": tag, "vr": element["vr"]})
        keyword = keyword_for_tag(int(tag, 16))
        if keyword:
            attribute.set("keyword", keyword)
        if "BulkDataURI" in element:
            ET.SubElement(attribute, "BulkData", {"uri": element["BulkDataURI"]})
        if "InlineBinary" in element:
            ET.SubElement(attribute, "InlineBinary").text = element["InlineBinary"]
        _add_values(attribute, element["vr"], element.get("Value", ()))


def _add_values(attribute: ET.Element, vr: str, values: Iterable[Any]) -> None:
    name = {"SQ": "Item", "PN": "PersonName"}.get(vr, "Value")
    for number, value in enumerate(values, 1):
        if value is None:
            continue
        written = ET.SubElement(attribute, name, {"number": str(number)})
        if vr == "SQ":
            _add_attributes(written, value)
        elif vr == "PN":
            _add_name(written, value)
        else:
            written.text = str(value)


def _add_name(name: ET.Element, value: Mapping[str, str]) -> None:
    for group in GROUPS:
        if group in value:
            written = ET.SubElement(name, group)
            for component, text in zip(COMPONENTS, value[group].split("^"), strict=False):
                if text:
                    ET.SubElement(written, component).text = text
