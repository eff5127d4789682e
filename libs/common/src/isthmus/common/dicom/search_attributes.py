"""What a search may match and gives back at each level (PS3.18 10.6; PS3.4 C.6.1, C.6.2), as plain tables."""

from collections.abc import Mapping
from typing import Final

from isthmus.common.dicom.attributes import AttributePath, tag_of, tags_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.json_values import first_text
from isthmus.common.dicom.levels import Level

UNIQUE_KEYS: Final[Mapping[Level, str]] = {
    Level.STUDY: tag_of("StudyInstanceUID"),
    Level.SERIES: tag_of("SeriesInstanceUID"),
    Level.IMAGE: tag_of("SOPInstanceUID"),
}

NOT_SEARCHED: Final = frozenset(
    tags_of(
        (
            "SpecificCharacterSet",
            "QueryRetrieveLevel",
            "RetrieveAETitle",
            "InstanceAvailability",
            "TimezoneOffsetFromUTC",
            "RetrieveURL",
        )
    )
)
"""They say something about a question or an answer, and nothing is searched for by them."""

_STUDY_REQUIRED: Final = (
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ModalitiesInStudy",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "StudyInstanceUID",
    "StudyID",
)
_SERIES_REQUIRED: Final = (
    "Modality",
    "SeriesInstanceUID",
    "SeriesNumber",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
)
_REQUEST_ATTRIBUTES: Final[tuple[AttributePath, ...]] = (
    tags_of(("RequestAttributesSequence", "ScheduledProcedureStepID")),
    tags_of(("RequestAttributesSequence", "RequestedProcedureID")),
)


def _paths(*keywords: str) -> tuple[AttributePath, ...]:
    return tuple((tag_of(keyword),) for keyword in keywords)


REQUIRED_MATCHING: Final[Mapping[Level, tuple[AttributePath, ...]]] = {
    Level.STUDY: _paths(*_STUDY_REQUIRED),
    Level.SERIES: (*_paths(*_SERIES_REQUIRED), *_REQUEST_ATTRIBUTES),
    Level.IMAGE: _paths("SOPClassUID", "SOPInstanceUID", "InstanceNumber"),
}
"""Table 10.6.1-5: attributes that a search must be able to match."""

DEFAULT_RETURN: Final[Mapping[Level, tuple[AttributePath, ...]]] = {
    Level.STUDY: _paths(
        *_STUDY_REQUIRED,
        "InstanceAvailability",
        "TimezoneOffsetFromUTC",
        "PatientBirthDate",
        "PatientSex",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
    ),
    Level.SERIES: (
        *_paths(
            *_SERIES_REQUIRED,
            "TimezoneOffsetFromUTC",
            "SeriesDescription",
            "NumberOfSeriesRelatedInstances",
        ),
        *_REQUEST_ATTRIBUTES,
    ),
    Level.IMAGE: _paths(
        "SOPClassUID",
        "SOPInstanceUID",
        "InstanceAvailability",
        "TimezoneOffsetFromUTC",
        "InstanceNumber",
        "Rows",
        "Columns",
        "BitsAllocated",
        "NumberOfFrames",
    ),
}
"""Tables 10.6.3-3 to 10.6.3-5: attributes of every match; the face adds RetrieveURL."""

REQUIRED_RETURN: Final[Mapping[Level, tuple[str, ...]]] = {
    Level.STUDY: tags_of(
        (
            *_STUDY_REQUIRED,
            "PatientBirthDate",
            "PatientSex",
            "NumberOfStudyRelatedSeries",
            "NumberOfStudyRelatedInstances",
        )
    ),
    Level.SERIES: tags_of(
        ("Modality", "SeriesInstanceUID", "SeriesNumber", "NumberOfSeriesRelatedInstances")
    ),
    Level.IMAGE: tags_of(("SOPClassUID", "SOPInstanceUID", "InstanceNumber")),
}
"""The same tables, types R and U: there even when the origin does not know them, then without a value."""

OPTIONAL: Final[Mapping[Level, tuple[AttributePath, ...]]] = {
    Level.STUDY: _paths(
        "StudyDescription",
        "ProcedureCodeSequence",
        "NameOfPhysiciansReadingStudy",
        "AdmittingDiagnosesDescription",
        "ReferencedStudySequence",
        "SOPClassesInStudy",
        "AnatomicRegionsInStudyCodeSequence",
        "IssuerOfPatientID",
        "OtherPatientIDsSequence",
        "PatientBirthTime",
        "OtherPatientNames",
        "PatientAge",
        "PatientSize",
        "PatientWeight",
        "EthnicGroup",
        "Occupation",
        "AdditionalPatientHistory",
        "PatientComments",
        "ReferencedPatientSequence",
        "NumberOfPatientRelatedStudies",
        "NumberOfPatientRelatedSeries",
        "NumberOfPatientRelatedInstances",
    ),
    Level.SERIES: _paths(
        "SeriesDate",
        "SeriesTime",
        "Manufacturer",
        "InstitutionName",
        "InstitutionalDepartmentName",
        "StationName",
        "ManufacturerModelName",
        "PerformingPhysicianName",
        "OperatorsName",
        "BodyPartExamined",
        "PatientPosition",
        "ProtocolName",
        "Laterality",
        "FrameOfReferenceUID",
        "PerformedProcedureStepID",
        "PerformedProcedureStepDescription",
        "RequestAttributesSequence",
    ),
    Level.IMAGE: _paths(
        "AvailableTransferSyntaxUID",
        "RelatedGeneralSOPClassUID",
        "ConceptNameCodeSequence",
        "ContentTemplateSequence",
        "ImageType",
        "AcquisitionDate",
        "AcquisitionTime",
        "AcquisitionNumber",
        "ContentDate",
        "ContentTime",
        "ImageComments",
        "ContainerIdentifier",
        "SpecimenDescriptionSequence",
    ),
}
"""Optional keys (PS3.4 Tables C.6-1 to C.6-5 and customary ones): what `includefield=all` adds."""

_OTHER_SERIES: Final = _paths(
    "AnatomicalOrientationType",
    "ClinicalTrialCoordinatingCenterName",
    "ClinicalTrialSeriesDescription",
    "ClinicalTrialSeriesID",
    "CommentsOnThePerformedProcedureStep",
    "DateOfLastCalibration",
    "DeviceSerialNumber",
    "DeviceUID",
    "GantryID",
    "InstitutionAddress",
    "LargestPixelValueInSeries",
    "OperatorIdentificationSequence",
    "PerformedProcedureStepEndDate",
    "PerformedProcedureStepEndTime",
    "PerformedProtocolCodeSequence",
    "PerformingPhysicianIdentificationSequence",
    "PositionReferenceIndicator",
    "PresentationIntentType",
    "ReferencedPerformedProcedureStepSequence",
    "RelatedSeriesSequence",
    "SeriesDescriptionCodeSequence",
    "SmallestPixelValueInSeries",
    "SoftwareVersions",
    "SynchronizationFrameOfReferenceUID",
    "TimeOfLastCalibration",
    "TreatmentSessionUID",
)
"""Of the series' modules (PS3.3 C.7.3 to C.7.5): to be matched and included, but by nobody's default."""
_OTHER_STUDY: Final = _paths(
    "AdmittingDiagnosesCodeSequence",
    "ConsultingPhysicianIdentificationSequence",
    "ConsultingPhysicianName",
    "IssuerOfAccessionNumberSequence",
    "OtherStudyNumbers",
    "PhysiciansOfRecord",
    "PhysiciansOfRecordIdentificationSequence",
    "PhysiciansReadingStudyIdentificationSequence",
    "ReasonForPerformedProcedureCodeSequence",
    "ReferringPhysicianIdentificationSequence",
)
"""Of the study's modules (PS3.3 C.7.2), likewise."""

_LEVELS: Final[Mapping[str, Level]] = {
    **{path[0]: Level.STUDY for path in _OTHER_STUDY},
    **{path[0]: Level.SERIES for path in _OTHER_SERIES},
    **{
        path[0]: level
        for level in reversed(Level)
        for table in (REQUIRED_MATCHING, DEFAULT_RETURN, OPTIONAL)
        for path in table[level]
    },
}
_STUDY_GROUPS: Final = ("0010", "0012", "0032", "0038")
"""The patient, the clinical trial, the request and the visit."""


def level_of(tag: str) -> Level:
    """Tell the level that an attribute belongs to; patients belong to their study (PS3.4 C.6.2.1)."""
    if tag in _LEVELS:
        return _LEVELS[tag]
    if tag.startswith(_STUDY_GROUPS):
        return Level.STUDY
    return Level.IMAGE


def uid_of(match: DicomJson, level: Level) -> str:
    """Give the UID of a match at a level; empty where it has none."""
    return first_text(match, UNIQUE_KEYS[level])
