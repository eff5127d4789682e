"""What is asked of both: which program, at which level of which model, with which keys."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from tests.inverse.programs import Model, Toolkit

PETER: Final = "98890234"
"""A patient with four studies."""
STUDY: Final = "1.3.6.1.4.1.5962.1.1.0.0.0.1196533885.18148.0.1"
"""One of them: three series of CT."""
OTHER_STUDY: Final = "1.3.6.1.4.1.5962.1.1.0.0.0.1194734704.16302.0.1"
COMPRESSED: Final = {
    "of JPEG": "1.2.124.113532.10.122.1.203.20051130.122937.2950157",
    "of JPEG 2000": "1.2.392.200103.20080913.113635.0.2009.6.22.21.43.10.22941.1",
    "of RLE and JPEG 2000": "1.3.6.1.4.1.5962.1.2.4.20040826185059.5457",
}
"""Studies for clients that take nothing compressed."""
UNKNOWN: Final = "1.2.3.4.5.6.7.8"

LEVEL: Final = "QueryRetrieveLevel"
KEY: Final = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
"""The unique key of each level (PS3.4 C.6.1.1)."""

PATIENT_KEYS: Final = dict.fromkeys(("PatientName", "PatientID", "PatientBirthDate", "PatientSex"), "")
STUDY_KEYS: Final = dict.fromkeys(
    (
        *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "StudyDescription"),
        *("ReferringPhysicianName", "ModalitiesInStudy"),
        *("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"),
    ),
    "",
)
SERIES_KEYS: Final = dict.fromkeys(
    (
        *("SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "SeriesDate"),
        *("BodyPartExamined", "NumberOfSeriesRelatedInstances"),
    ),
    "",
)
IMAGE_KEYS: Final = dict.fromkeys(("SOPInstanceUID", "SOPClassUID", "InstanceNumber", "Rows", "Columns"), "")
OF_LEVEL: Final = {
    "PATIENT": PATIENT_KEYS,
    "STUDY": {**PATIENT_KEYS, **STUDY_KEYS},
    "SERIES": SERIES_KEYS,
    "IMAGE": IMAGE_KEYS,
}
"""What a workstation asks for at each level."""

CT: Final = "1.2.840.10008.5.1.4.1.1.2"
OTHER_KEYS: Final = {
    "STUDY": dict.fromkeys(("SOPClassesInStudy", "NumberOfPatientRelatedStudies", "PatientAge"), ""),
    "SERIES": dict.fromkeys(("Manufacturer", "StationName", "ProtocolName", "PatientPosition"), ""),
    "IMAGE": dict.fromkeys(
        (
            *("BitsAllocated", "NumberOfFrames", "ImagePositionPatient", "ImageType", "ContentDate"),
            *("PatientName", "StudyDescription", "WindowCenter", "ReferencedImageSequence"),
        ),
        "",
    ),
}
"""What few ask for, at a level that it does not belong to, too."""


@dataclass(frozen=True)
class Case:
    """One request.

    Attributes:
        program: which client.
        toolkit: whose.
        model: the Information Model.
        level: Query/Retrieve Level (0008,0052); empty: the key is left out.
        keys: the others, all of them.
        name: what is special about it; of a C-STORE: how the transfer syntax of the files is called.
        options: of the program.
        destination: of a C-MOVE; else the one that both know.
        right: lines of difference that are as they should be (regular expressions), and why.
    """

    program: str
    level: str
    keys: Mapping[str, str]
    name: str
    model: Model = Model.STUDY_ROOT
    toolkit: Toolkit = Toolkit.DCMTK
    options: tuple[str, ...] = ()
    destination: str = ""
    right: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_keys(self) -> Mapping[str, str]:
        """The Identifier."""
        return {LEVEL: self.level, **self.keys} if self.level else self.keys

    def __str__(self) -> str:
        at = (self.model.name, self.level) if self.level else ()
        return "-".join((self.toolkit, self.program, *at, self.name)).lower()


def find(level: str, name: str, *, right: Mapping[str, str] = MappingProxyType({}), **keys: str) -> Case:
    """Ask for all that is usual at a level, with these keys to match."""
    return Case("findscu", level, {**OF_LEVEL[level], **keys}, name, right=right)


def _others(level: str, *, right: Mapping[str, str] = MappingProxyType({}), **keys: str) -> Case:
    return Case("findscu", level, {**OF_LEVEL[level], **OTHER_KEYS[level], **keys}, "other keys", right=right)


NO_DATE: Final = {r"answer lacks: ": "it has no date, so it is in no range; to Orthanc nothing is before all"}
BAD_IDENTIFIER: Final = {r"status: A900 instead of C000": "the standard has a code for it (PS3.4 C.4.1.1.4)"}
UNKNOWN_DESTINATION: Final = {r"status: A801 instead of C000": "likewise (PS3.4 C.4.2.1.5)"}
NO_SUCH_VALUE: Final = {r"status: A900 instead of 0000": "nothing can match what the VR does not allow"}
NOT_IN_MODEL: Final = {
    r"status: A900 instead of 0000": "Study Root has no such level (PS3.4 C.6.2.1)",
    r"answer lacks: ": "likewise",
}
NOT_TOLD: Final = {r"SOPClassesInStudy of ": "Orthanc's QIDO-RS does not return it, whatever it is asked"}
DECOMPRESSED: Final = {
    "of RLE and JPEG 2000": {
        r"status: 0000 instead of C000": "Orthanc cannot decompress one, and ends there",
        r"counters: \(8, 0, 0\) instead of \(2, 1, 0\)": "likewise",
        r"instance is too much: ": "likewise",
    }
}
TOO_LONG: Final = {
    r"instance lacks: [0-9.]{65,}$": "no command can name it (PS3.5 9.1); Orthanc cuts the UID",
    r"counters: \(152, 8, 0\) instead of \(160, 0, 0\)$": "so these failed",
    r"status: B000 instead of 0000": "and that is told",
    r"code: 68 instead of 0": "by movescu too",
}
NOT_ALL: Final = {
    r"status: 0000 instead of C000": "what is there is given; by C-GET Orthanc gives nothing then",
    r"counters: \(11, 0, 0\) instead of \(0, 0, 0\)": "likewise",
    r"instance is too much: ": "likewise",
}
ONE_PATIENT: Final = {
    r"answer lacks: id11111 \(2\)": "blanks at the end of a Patient ID mean nothing (PS3.5 6.2, LO)",
    r"answer is too much:  \(\d\)": "several have no Patient ID: to Orthanc they are one",
}


FINDS: Final = (
    find("STUDY", "all"),
    find("STUDY", "name with a star", PatientName="CompressedSamples*"),
    find("STUDY", "name with a star in front", PatientName="*^Peter"),
    find("STUDY", "name with a question mark", PatientName="D?e^*"),
    find("STUDY", "name in another case", PatientName="doe^*"),
    find("STUDY", "whole name", PatientName="Doe^Peter"),
    find("STUDY", "name of nobody", PatientName="Nobody^*"),
    find("STUDY", "patient id", PatientID=PETER),
    find("STUDY", "patient id with a star", PatientID="SCS*"),
    find("STUDY", "date", StudyDate="20030505"),
    find("STUDY", "range of dates", StudyDate="20030101-20041231"),
    find("STUDY", "dates from", StudyDate="20100101-"),
    find("STUDY", "dates until", right=NO_DATE, StudyDate="-20001231"),
    find("STUDY", "range of times", StudyTime="000000-120000"),
    find("STUDY", "range of dates and times", StudyDate="20030101-20041231", StudyTime="050000-120000"),
    find("STUDY", "a study", StudyInstanceUID=STUDY),
    find("STUDY", "list of studies", StudyInstanceUID=f"{STUDY}\\{OTHER_STUDY}\\{UNKNOWN}"),
    find("STUDY", "unknown study", StudyInstanceUID=UNKNOWN),
    find("STUDY", "modality in study", ModalitiesInStudy="MR"),
    find("STUDY", "modalities in study", ModalitiesInStudy="MR\\US"),
    find("STUDY", "sex", PatientSex="F"),
    find("STUDY", "description with a star", StudyDescription="*e*"),
    find("STUDY", "german name", PatientName="Äneas*", SpecificCharacterSet="ISO_IR 192"),
    find("STUDY", "japanese name", PatientName="*山田*", SpecificCharacterSet="ISO_IR 192"),
    find("STUDY", "arabic name", PatientName="قب*", SpecificCharacterSet="ISO_IR 192"),
    find("STUDY", "russian name", PatientName="Люк*", SpecificCharacterSet="ISO_IR 192"),
    find("SERIES", "of a study", StudyInstanceUID=STUDY),
    find("SERIES", "of a modality", StudyInstanceUID=OTHER_STUDY, Modality="CT"),
    find("SERIES", "of another modality", StudyInstanceUID=STUDY, Modality="MR"),
    find("SERIES", "by number", StudyInstanceUID=STUDY, SeriesNumber="2"),
    find("SERIES", "of an unknown study", StudyInstanceUID=UNKNOWN),
    find("IMAGE", "of a series", StudyInstanceUID=STUDY, SeriesInstanceUID="{series}"),
    find("IMAGE", "by number", StudyInstanceUID=STUDY, SeriesInstanceUID="{series}", InstanceNumber="2"),
    find("IMAGE", "by uid", StudyInstanceUID=STUDY, SeriesInstanceUID="{series}", SOPInstanceUID="{image}"),
    find("IMAGE", "list", StudyInstanceUID=STUDY, SeriesInstanceUID="{series}", SOPInstanceUID="{images}"),
    _others("STUDY", right=NOT_TOLD, PatientID=PETER),
    _others("SERIES", StudyInstanceUID=STUDY),
    _others("IMAGE", StudyInstanceUID=STUDY, SeriesInstanceUID="{series}"),
    find("STUDY", "all in latin 1", SpecificCharacterSet="ISO_IR 100"),
    find("STUDY", "accession number", AccessionNumber="428"),
    find("SERIES", "list", StudyInstanceUID=STUDY, SeriesInstanceUID="{all_series}"),
    find("SERIES", "description", StudyInstanceUID=STUDY, SeriesDescription="*[A-Z]*"),
    find("IMAGE", "sop class", StudyInstanceUID=STUDY, SeriesInstanceUID="{series}", SOPClassUID=CT),
    find("SERIES", "of a patient", PatientID=PETER),
    find("SERIES", "of all studies", Modality="US"),
    find("IMAGE", "of a study", StudyInstanceUID=STUDY),
    find("IMAGE", "of all studies"),
    find("STUDY", "no date", right=NO_SUCH_VALUE, StudyDate="yesterday"),
    find("PATIENT", "not in this model", right=NOT_IN_MODEL, PatientID=PETER),
    Case("findscu", "", {"StudyInstanceUID": "", "PatientID": PETER}, "no level", right=BAD_IDENTIFIER),
    Case("findscu", "NOTHING", {"PatientID": PETER}, "unknown level", right=BAD_IDENTIFIER),
)
"""Searches in the Study Root model."""

IN_PATIENT_ROOT: Final = (
    find("PATIENT", "all", right=ONE_PATIENT),
    find("PATIENT", "patient id", PatientID=PETER),
    find("PATIENT", "name with a star", PatientName="Doe*"),
    find("PATIENT", "name of nobody", PatientName="Nobody^*"),
    find("STUDY", "of a patient", PatientID=PETER),
    find("SERIES", "of a study", PatientID=PETER, StudyInstanceUID=STUDY),
    find("IMAGE", "of a series", PatientID=PETER, StudyInstanceUID=STUDY, SeriesInstanceUID="{series}"),
)
"""Searches in the Patient Root model."""

_AT: Final[Mapping[str, Mapping[str, str]]] = {
    "STUDY": {"StudyInstanceUID": STUDY},
    "SERIES": {"StudyInstanceUID": STUDY, "SeriesInstanceUID": "{series}"},
    "IMAGE": {"StudyInstanceUID": STUDY, "SeriesInstanceUID": "{series}", "SOPInstanceUID": "{image}"},
}
_WANTED: Final = (
    *((level, "one", keys) for level, keys in _AT.items()),
    ("STUDY", "list", {"StudyInstanceUID": f"{STUDY}\\{OTHER_STUDY}"}),
    ("SERIES", "list", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": "{all_series}"}),
    ("IMAGE", "list", {**_AT["IMAGE"], "SOPInstanceUID": "{images}"}),
    ("STUDY", "unknown", {"StudyInstanceUID": UNKNOWN}),
    ("STUDY", "list with an unknown", {"StudyInstanceUID": f"{STUDY}\\{UNKNOWN}"}),
    ("IMAGE", "unknown", {**_AT["IMAGE"], "SOPInstanceUID": UNKNOWN}),
    ("STUDY", "nothing named", {}),
    ("STUDY", "empty uid", {"StudyInstanceUID": ""}),
    ("STUDY", "star", {"StudyInstanceUID": "*"}),
    ("SERIES", "no series named", {"StudyInstanceUID": STUDY}),
    ("NOTHING", "one", {"StudyInstanceUID": STUDY}),
)


_WRONG: Final = frozenset({"nothing named", "empty uid", "star", "no series named"})


def _retrieves(program: str) -> Iterator[Case]:
    for level, name, keys in _WANTED:
        right = {} if level in KEY and name not in _WRONG else BAD_IDENTIFIER
        right = NOT_ALL if (program, name) == ("getscu", "list with an unknown") else right
        yield Case(program, level, keys, name, right=right)
    yield Case(program, "PATIENT", {"PatientID": PETER}, "one", Model.PATIENT_ROOT)
    for level, keys in _AT.items():
        yield Case(program, level, {"PatientID": PETER, **keys}, "one", Model.PATIENT_ROOT)


SYNTAXES: Final = {
    "uncompressed": "-x=",
    "JPEG Lossless": "-xs",
    "JPEG Baseline": "-xy",
    "JPEG Extended": "-xx",
    "JPEG 2000 Image Compression (Lossless Only)": "-xv",
    "JPEG 2000 Image Compression": "-xw",
    "JPEG-LS": "-xt",
    "RLE": "-xr",
    "Deflated": "-xd",
}
"""How the names of transfer syntaxes begin (PS3.6 A), and the option by which storescu offers one of them."""


NOT_BY_STOW: Final = {
    r"(status of|instance lacks:) 1\.9\.999\.[0-9.]*\.20030818153516\.7": "its Pixel Data have a wrong VR: "
    "Orthanc's STOW-RS refuses what its C-STORE takes, and DCMTK's storescu mends",
}


def _stores() -> Iterator[Case]:
    for name, option in SYNTAXES.items():
        yield Case("storescu", "", {}, name, options=(option,))


def _cases() -> Iterator[Case]:
    yield Case("echoscu", "", {}, "")
    yield from _stores()
    yield from FINDS
    yield from (replace(case, model=Model.PATIENT_ROOT) for case in IN_PATIENT_ROOT)
    for program in ("movescu", "getscu"):
        yield from _retrieves(program)
    for name, study in COMPRESSED.items():
        yield Case("getscu", "STUDY", {"StudyInstanceUID": study}, name, right=DECOMPRESSED.get(name, {}))
    yield Case("movescu", "STUDY", {"StudyInstanceUID": "{held}"}, "all that is held", right=TOO_LONG)
    yield Case(
        "movescu",
        "STUDY",
        _AT["STUDY"],
        "to an unknown destination",
        destination="NOBODY",
        right=UNKNOWN_DESTINATION,
    )


def _of_pynetdicom() -> Iterator[Case]:
    """One at each level of each model: its programs take half a second each."""
    seen = set()
    for case in _cases():
        usual = case.program == "echoscu" or (case.level in KEY and case.right is not NOT_IN_MODEL)
        if usual and (case.program, case.level, case.model) not in seen:
            seen.add((case.program, case.level, case.model))
            yield replace(case, toolkit=Toolkit.PYNETDICOM)
    for case in (
        find("SERIES", "of all studies, negotiated", Modality="US"),
        find("IMAGE", "of a study, negotiated", StudyInstanceUID=STUDY),
    ):
        yield replace(case, toolkit=Toolkit.PYNETDICOM, options=("--relational-query",))
    yield Case("storescu", "", {}, "of each syntax", toolkit=Toolkit.PYNETDICOM, right=NOT_BY_STOW)


CASES: Final = (*_cases(), *_of_pynetdicom())
