"""The character sets of a PACS's answers: whether they are in those that they name (PS3.3 C.12.1.1.2)."""

from collections.abc import Sequence

from pydicom.charset import python_encoding
from pydicom.dataset import Dataset

from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.findings import Side, Wrong
from isthmus.cli.doctor.pacs import Pacs


def character_sets(matches: Sequence[Dataset], pacs: Pacs) -> str:
    """See that each answer is in the character sets that it names; gives these.

    Raises:
        Wrong: one is not.
    """
    named: set[str] = set()
    for match in matches:
        value = match.get("SpecificCharacterSet") or ""
        terms = [value] if isinstance(value, str) else [str(one) for one in value]
        unknown = [term for term in terms if term not in python_encoding]
        if unknown:
            raise _wrong_character_set(pacs, "names a Specific Character Set that the standard does not know")
        if not any(terms) and not _raw_name(match).isascii():
            raise _wrong_character_set(pacs, "sends names that are not ASCII, and names no character set")
        if len(terms) == 1 and not _decodes(_raw_name(match), python_encoding[terms[0]]):
            raise _wrong_character_set(
                pacs, f"sends names that are not in {terms[0]}, which it says they are"
            )
        named.update(term or "ASCII" for term in terms)
    return ", ".join(sorted(named))


def _raw_name(match: Dataset) -> bytes:
    """Give a name as it came: to read it would already decode it."""
    element = match.get_item("PatientName")
    value = getattr(element, "value", None)
    return value if isinstance(value, bytes) else b""


def _decodes(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return False
    return True


def _wrong_character_set(pacs: Pacs, what: str) -> Wrong:
    return Wrong(
        Cause.CHARACTER_SET_WRONG,
        Side.THEIRS,
        f"the PACS at {pacs.address} {what}: names come out wrong, and are not found",
        "have it name in Specific Character Set (0008,0005) what it sends: ISO_IR 192 where it is UTF-8,"
        " ISO_IR 100 where it is Latin-1",
        'Orthanc: "DefaultEncoding" in its configuration; dcm4chee: Default Character Set of the archive',
    )
