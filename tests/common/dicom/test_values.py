import pytest

from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.values import check_matching_value
from isthmus.common.errors import InvalidParameter

BAD = [
    ("StudyDate", "2024"),
    ("StudyDate", "20240230"),
    ("StudyDate", "2024-01-31"),
    ("StudyDate", "2024.01.31"),  # may be stored, but an origin that is asked so finds nothing
    ("StudyDate", "-"),
    ("StudyDate", "20240131-20240101"),
    ("StudyDate", "20240101-20240102-20240103"),
    ("StudyDate", "20240101 - 20240102"),
    ("StudyDate", "20240101\\20240102"),
    ("StudyDate", "*"),
    ("StudyDate", "202401*"),
    ("StudyDate", "٢٠٢٤٠١٣١"),
    ("StudyTime", "2400"),
    ("StudyTime", "08:00"),
    ("StudyTime", "2300-0100"),  # ranges do not cross midnight
    ("AcquisitionDateTime", "20240131T1200"),
    ("AcquisitionDateTime", "20240131120000 0100"),  # a plus sign that was not percent-encoded
    ("AcquisitionDateTime", "20240131120000+2500"),
    ("AcquisitionDateTime", "20240131120000-0500-20240131120000+0000"),
    ("PatientAge", "34 Y"),
    ("PatientAge", "0034"),
    ("PatientAge", "young"),
    ("PatientAge", "030-020"),
    ("PatientAge", "-"),
    ("SeriesNumber", "1A"),
    ("SeriesNumber", "1.5"),
    ("SeriesNumber", "1-5"),
    ("SeriesNumber", "99999999999"),
    ("SliceThickness", "1,5"),
    ("SliceThickness", "nan"),
    ("Rows", "65536"),
    ("Rows", "5?"),
    ("RealWorldValueSlope", "1e999"),
    ("FrameIncrementPointer", "FrameTime"),
    ("StudyInstanceUID", "1.2.*"),
    ("StudyInstanceUID", "1.2.3 "),
    ("Modality", "C-T"),
    ("Modality", "CT\\MR"),
    ("Modality", "ABCDEFGHIJKLMNOPQ"),
    ("AccessionNumber", "12345678901234567"),
    ("StudyDescription", "a\\b"),
    ("StudyDescription", "a\nb"),
    ("StudyDescription", "a\x00"),
    ("StudyDescription", "a\x85b"),
    ("PatientComments", "a\x1bb"),
    ("PatientName", "a=b=c=d"),
    ("PatientName", "a^b^c^d^e^f"),
    ("PatientName", "x" * 65),
    ("PatientName", "a=" + "x" * 65),
    ("PixelData", "AAAA"),
    ("RequestAttributesSequence", "1"),
]
GOOD = [
    ("StudyDate", ""),
    ("RequestAttributesSequence", ""),
    ("StudyDate", "20240131"),
    ("StudyDate", "20240101-20240101"),
    ("StudyDate", "20240101-"),
    ("StudyDate", "-20240131"),
    ("StudyTime", "08"),
    ("StudyTime", "080000.123456-1730"),
    ("AcquisitionDateTime", "2024"),
    ("AcquisitionDateTime", "20240131120000.5+0100"),
    ("AcquisitionDateTime", "2024-0500"),
    ("AcquisitionDateTime", "20240131120000+0000-20240131120000-0500"),
    ("PatientAge", "034Y"),
    ("PatientAge", "020-030"),
    ("PatientAge", "6M-2Y"),
    ("PatientAge", "-030Y"),
    ("SeriesNumber", "+007"),
    ("SeriesNumber", " 7 "),
    ("SliceThickness", "-1.5e-3"),
    ("Rows", "512"),
    ("SmallestImagePixelValue", "-5"),
    ("FrameIncrementPointer", "0018106e"),
    ("StudyInstanceUID", "01.2.x-y_z"),
    ("Modality", "ct"),
    ("Modality", "?T*"),
    ("Modality", "*ABCDEFGHIJKLMNOP*"),  # the asterisks may stand for nothing
    ("AccessionNumber", "*"),
    ("PatientComments", "a\\b\r\nc"),
    ("PatientName", "Müller^Jörg"),
    ("PatientName", "=".join(["x" * 64] * 3)),
    ("PatientName", "a^b^c^d^e=*"),
    ("PatientName", "O'Brien (née Smith)"),
]


@pytest.mark.parametrize(("keyword", "value"), BAD)
def test_what_the_vr_forbids_is_refused_by_the_name_of_the_parameter(keyword: str, value: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        check_matching_value(tag_of(keyword), value, keyword)

    assert caught.value.parameter == keyword


@pytest.mark.parametrize(("keyword", "value"), GOOD)
def test_what_the_vr_allows_in_a_query_is_taken(keyword: str, value: str) -> None:
    check_matching_value(tag_of(keyword), value, keyword)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientName", "Doe" * 30),
        ("PatientBirthDate", "19700230"),
        ("PatientAge", "Doe"),
        ("PatientID", "Doe\n"),
        ("PatientWeight", "Doe"),
        ("StudyInstanceUID", "Doe^Jane"),
    ],
)
def test_a_refusal_does_not_quote_the_value(keyword: str, value: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        check_matching_value(tag_of(keyword), value, keyword)

    assert value.strip() not in str(caught.value)
