"""The character sets of a PACS's answers: whether they are in those that they name (PS3.3 C.12.1.1.2)."""

from collections.abc import Sequence

from pydicom.charset import python_encoding

from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.findings import Side, Wrong
from isthmus.cli.doctor.matches import Match
from isthmus.cli.doctor.pacs import Pacs


def character_sets(matches: Sequence[Match], pacs: Pacs) -> str:
    """See that each answer is in the character sets that it names; gives these.

    Raises:
        Wrong: one is not.
    """
    named: set[str] = set()
    for match in matches:
        terms = [term.strip() for term in match.text("SpecificCharacterSet").split("\\")]
        name = match.values.get("PatientName", b"")
        unknown = [term for term in terms if term not in python_encoding]
        if unknown:
            raise _wrong_character_set(pacs, "names a Specific Character Set that the standard does not know")
        if not any(terms) and not name.isascii():
            raise _wrong_character_set(pacs, "sends names that are not ASCII, and names no character set")
        if len(terms) == 1 and not _decodes(name, python_encoding[terms[0]]):
            raise _wrong_character_set(
                pacs, f"sends names that are not in {terms[0]}, which it says they are"
            )
        named.update(term or "ASCII" for term in terms)
    return ", ".join(sorted(named))


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
