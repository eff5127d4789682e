"""Data sets in the Native DICOM Model, an XML document each (PS3.19 A.1.5, A.1.6; PS3.18 F.3).

Characters that XML 1.0 cannot hold, such as the form feed that DICOM allows in long texts, are written as
U+FFFD, the replacement character. The tag of a private element has 00 in the place of its block, as other
implementations write it, since its creator is an attribute; the creator's own element tells the block.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pydicom.valuerep import format_number_as_ds

from isthmus.common.dicom.attributes import keyword_of
from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.dicom.xml_reading import COMPONENTS, GROUPS, NAMESPACE, parse_native_model

__all__ = ["native_model", "parse_native_model"]

_BEGINNING: Final = (
    f'<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">'
)
_END: Final = "</NativeDicomModel>\n"
_NO_CHARACTER: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# A carriage return would be read as a line feed (XML 1.0 2.11), white space in attributes as spaces (3.3.3).
_IN_TEXT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_IN_ATTRIBUTE: Final = _IN_TEXT | str.maketrans({'"': "&quot;", "\t": "&#9;", "\n": "&#10;"})
_LONGEST_DS: Final = 16


def native_model(attributes: DicomJson) -> bytes:
    """Write a data set as a whole document, in UTF-8."""
    return "".join([_BEGINNING, *_data_set(attributes), _END]).encode()


def _data_set(attributes: Mapping[str, object]) -> Iterator[str]:
    creators = _creators(attributes)
    for tag, element in attributes.items():
        if not isinstance(element, Mapping):
            continue
        vr = str(element["vr"])
        content = "".join(_content(vr, element))
        yield f"<DicomAttribute {_named(tag, vr, creators)}"
        yield f">{content}</DicomAttribute>" if content else "/>"


def _named(tag: str, vr: str, creators: Mapping[str, str]) -> str:
    creator = creators.get(tag[:6])
    if creator is not None:
        return f'tag="{tag[:4]}00{tag[6:]}" vr="{vr}" privateCreator="{_in_attribute(creator)}"'
    keyword = keyword_of(tag)
    return f'tag="{tag}" vr="{vr}"' + (f' keyword="{keyword}"' if keyword else "")


def _creators(attributes: Mapping[str, object]) -> Mapping[str, str]:
    """Give the private creators (PS3.5 7.8.1) by the beginning of the tags of their elements.

    One that has reserved two blocks of a group counts for the first: the elements of the other keep their
    whole tags, since they could not be told apart.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    for tag, element in attributes.items():
        if int(tag[:4], 16) % 2 and tag[4:6] == "00" and int(tag[6:], 16) >= 0x10:
            creator = _first_text(element)
            if creator and (tag[:4], creator) not in seen:
                seen.add((tag[:4], creator))
                found[tag[:4] + tag[6:]] = creator
    return found


def _first_text(element: object) -> str | None:
    values = element.get("Value") if isinstance(element, Mapping) else None
    first = values[0] if isinstance(values, Sequence) and values else None
    return first if isinstance(first, str) else None


def _content(vr: str, element: Mapping[str, object]) -> Iterator[str]:
    values = element.get("Value")
    if "BulkDataURI" in element:
        yield f'<BulkData uri="{_in_attribute(str(element["BulkDataURI"]))}"/>'
    elif "InlineBinary" in element:
        yield f"<InlineBinary>{_in_text(str(element['InlineBinary']))}</InlineBinary>"
    elif isinstance(values, Sequence):
        for number, value in enumerate(values, 1):
            if vr == "SQ":
                inner = "".join(_data_set(value)) if isinstance(value, Mapping) else ""
                yield f'<Item number="{number}">{inner}</Item>'
            elif vr == "PN":
                yield f'<PersonName number="{number}">{"".join(_person_name(value))}</PersonName>'
            else:
                yield f'<Value number="{number}">{_in_text(_text(vr, value))}</Value>'


def _person_name(value: object) -> Iterator[str]:
    groups = value if isinstance(value, Mapping) else {"Alphabetic": value}
    for group in GROUPS:
        text = str(groups.get(group) or "")
        if text:
            # What is beyond the fifth component, against PS3.5 6.2.1, stays with it.
            components = text.split("^", maxsplit=len(COMPONENTS) - 1)
            named = zip(COMPONENTS, components, strict=False)
            inner = "".join(f"<{name}>{_in_text(one)}</{name}>" for name, one in named if one)
            yield f"<{group}>{inner}</{group}>"


def _text(vr: str, value: object) -> str:
    if value is None:
        return ""
    text = repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
    if vr == "DS" and isinstance(value, float) and len(text) > _LONGEST_DS:
        return format_number_as_ds(value)
    return text


def _in_text(text: str) -> str:
    return _NO_CHARACTER.sub("\ufffd", text).translate(_IN_TEXT)


def _in_attribute(text: str) -> str:
    return _NO_CHARACTER.sub("\ufffd", text).translate(_IN_ATTRIBUTE)
