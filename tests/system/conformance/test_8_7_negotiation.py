"""What a client gets of what it takes (PS3.18 8.7): media types, transfer syntaxes, 406."""

from pathlib import Path
from typing import Final

import httpx2
import pydicom
import pytest

from tests.data_sets import identity, transfer_syntax
from tests.system.conformance.answers import matches, parts
from tests.system.conformance.archive import Archive
from tests.system.conformance.samples import (
    DICOM,
    DICOM_PARTS,
    EXPLICIT,
    OCTET_PARTS,
    OCTETS,
    Sample,
    form,
    get,
    got,
    media_type,
    read,
    sample,
)
from tests.system.problem import problem

RLE: Final = "1.2.840.10008.1.2.5"
JPEG_BASELINE: Final = "1.2.840.10008.1.2.4.50"
JPEG_LS: Final = "1.2.840.10008.1.2.4.80"
JPEG_2000: Final = "1.2.840.10008.1.2.4.90"
JSON: Final = "application/dicom+json"
JPEG_PARTS: Final = 'multipart/related; type="image/jpeg"'

ORTHANC: Final = "/aets/orthanc-both"
"""The origin that holds, and sends, what is compressed."""


@pytest.fixture(scope="module")
def image(corpus: list[Path]) -> Sample:
    """A native CT image of one frame."""
    return sample(corpus, "CT_small")


@pytest.mark.parametrize(
    ("resource", "default"),
    [
        ("", DICOM_PARTS),
        ("/metadata", JSON),
        ("/rendered", "image/jpeg"),
        ("/thumbnail", "image/jpeg"),
        ("/bulkdata", OCTET_PARTS),
        ("/pixeldata", OCTET_PARTS),
        ("/frames/1", OCTET_PARTS),
        ("/frames/1/rendered", "image/jpeg"),
        ("/frames/1/thumbnail", "image/jpeg"),
        ("/bulkdata/7FE00010", OCTET_PARTS),
    ],
)
@pytest.mark.parametrize("accept", ["*/*", None, "text/x-nothing, */*;q=0.1"])
def test_8_7_8_1_a_wildcard_is_the_default_of_the_resource(
    http: httpx2.Client, anywhere: Archive, image: Sample, resource: str, default: str, accept: str | None
) -> None:
    """Step 4. And so is no Accept header at all, which the standard does not allow (8.7.5)."""
    assert media_type(got(http, f"{anywhere.root}{image.instance}{resource}", accept)) == default


@pytest.mark.parametrize(
    ("resource", "accept", "expected"),
    [
        ("", "application/*", DICOM),
        ("/rendered", "image/*", "image/jpeg"),
        ("/rendered", "text/*, image/*;q=0.1", "image/jpeg"),
        ("/metadata", "application/*", JSON),
        ("/metadata", "multipart/*", 'multipart/related; type="application/dicom+xml"'),
        ("/frames/1", "multipart/related", OCTET_PARTS),
        ("/frames/1", "image/*", "image/jls"),
    ],
)
def test_8_7_7_a_partial_wildcard_is_one_of_its_media_types(
    http: httpx2.Client, origin: Archive, image: Sample, resource: str, accept: str, expected: str
) -> None:
    response = got(http, f"{origin.root}{image.instance}{resource}", accept)
    assert media_type(response).partition("/")[0] == expected.partition("/")[0]


def test_8_7_8_1_the_accept_parameter_goes_before_the_header(
    http: httpx2.Client, anywhere: Archive, image: Sample
) -> None:
    """Steps 2 and 3: the best of the parameter, and of the header only if nothing of it can be had."""
    url = f"{anywhere.root}{image.instance}/rendered"
    for parameter, header, expected in (
        ("image/png", "image/jpeg", "image/png"),
        ("image/png;q=0.1", "image/jpeg", "image/png"),
        ("image/gif;q=0.2,image/png;q=0.8", "*/*", "image/png"),
        ("image/webp", "image/gif", "image/gif"),
        ("text/html", "*/*", "image/jpeg"),
    ):
        assert media_type(got(http, url, header, {"accept": parameter})) == expected
    problem(get(http, url, "text/html", {"accept": "image/webp"}), 406)


def test_8_3_3_1_the_accept_parameter_may_be_written_as_it_is(
    http: httpx2.Client, origin: Archive, image: Sample
) -> None:
    """A plus sign in it, encoded or not, is a plus sign."""
    url = f"{origin.root}{image.instance}/metadata"
    for written in ("application/dicom+xml", "application/dicom%2Bxml"):
        response = got(http, f'{url}?accept=multipart/related;type="{written}"')
        assert media_type(response) == 'multipart/related; type="application/dicom+xml"'


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("image/gif;q=0.2, image/png;q=0.8, image/jpeg;q=0.5", "image/png"),
        ("image/gif, image/png;q=0.999", "image/gif"),
        ("image/*;q=0.5, image/gif", "image/gif"),
        ("image/jpeg;q=0, image/*", "image/gif"),
        ("*/*;q=0.1, image/png;q=0.2", "image/png"),
        ("IMAGE/PNG", "image/png"),
        ("image/avif, image/webp, image/png;q=0.3", "image/png"),
    ],
)
def test_8_7_8_1_the_highest_weight_of_the_most_specific_range_counts(
    http: httpx2.Client, origin: Archive, image: Sample, accept: str, expected: str
) -> None:
    found = media_type(got(http, f"{origin.root}{image.instance}/rendered", accept))
    assert found != "image/jpeg" if "image/jpeg;q=0," in accept else found == expected


@pytest.mark.parametrize(
    ("resource", "accept", "available"),
    [
        ("", "image/jpeg", {DICOM_PARTS, DICOM, "application/zip"}),
        ("", "application/dicom+json", {DICOM_PARTS, DICOM}),
        ("/metadata", DICOM, {JSON, 'multipart/related; type="application/dicom+xml"'}),
        ("/metadata", "application/dicom+xml", {'multipart/related; type="application/dicom+xml"'}),
        ("/rendered", "text/html", {"image/jpeg", "image/gif", "image/png"}),
        ("/rendered", "image/jp2", {"image/jpeg", "image/gif", "image/png"}),
        ("/rendered", "video/mp4", {"image/jpeg", "image/gif", "image/png"}),
        ("/rendered", DICOM, {"image/jpeg", "image/gif", "image/png"}),
        ("/thumbnail", "application/pdf", {"image/jpeg", "image/gif", "image/png"}),
        ("/frames/1", "image/png", {f"{OCTET_PARTS}; transfer-syntax={EXPLICIT}"}),
        ("/frames/1", "image/jpeg", {f'multipart/related; type="image/jls"; transfer-syntax={JPEG_LS}'}),
        ("/frames/1", "video/mp4", {f"{OCTETS}; transfer-syntax={EXPLICIT}"}),
        ("/bulkdata/7FE00010", "image/jpeg", {f"{OCTETS}; transfer-syntax={EXPLICIT}"}),
        ("/bulkdata", OCTETS, {OCTET_PARTS}),
    ],
)
def test_8_7_8_1_otherwise_it_is_406_and_lists_what_can_be_had(
    http: httpx2.Client, anywhere: Archive, image: Sample, resource: str, accept: str, available: set[str]
) -> None:
    """Step 5."""
    members = problem(get(http, f"{anywhere.root}{image.instance}{resource}", accept), 406)
    listed = members["available"]
    assert isinstance(listed, list)
    assert available <= {*listed}


def test_8_7_8_1_what_a_406_lists_can_be_had(http: httpx2.Client, origin: Archive, image: Sample) -> None:
    for resource in ("", "/metadata", "/rendered", "/frames/1", "/bulkdata/7FE00010"):
        url = f"{origin.root}{image.instance}{resource}"
        listed = problem(get(http, url, "application/x-nothing"), 406)["available"]
        assert isinstance(listed, list)
        assert listed
        for each in listed:
            response = got(http, url, each)
            assert media_type(response) == each.partition("; transfer-syntax")[0]


def test_8_7_8_1_each_part_is_chosen_by_itself(http: httpx2.Client, corpus: list[Path]) -> None:
    """In a series, what is compressed goes as it is, and the rest as it can be had."""
    lossy, rle, native = (
        sample(corpus, name) for name in ("SC_rgb_jpeg_dcmtk", "SC_rgb_rle", "SC_rgb_small_odd")
    )
    response = got(
        http,
        ORTHANC + native.series,
        f"{DICOM_PARTS}; transfer-syntax={JPEG_BASELINE}, {DICOM_PARTS}; transfer-syntax={RLE};q=0.9, "
        f"{DICOM_PARTS}; transfer-syntax={EXPLICIT};q=0.1",
    )
    found = {
        identity(part.content).sop_instance_uid: (
            transfer_syntax(part.content),
            part.headers.get_param("transfer-syntax"),
        )
        for part in parts(response, DICOM)
    }
    for each, syntax in ((lossy, JPEG_BASELINE), (rle, RLE), (native, RLE)):
        assert found[each.who.sop_instance_uid] == (syntax, syntax)


@pytest.mark.parametrize(
    ("resource", "accept"),
    [
        (1, DICOM),
        (0, DICOM),
        (2, f"{DICOM}+xml"),
        ("/frames/1,1", OCTETS),
        ("/frames/1,1", "image/jls"),
        ("/bulkdata", OCTETS),
        ("/pixeldata", OCTETS),
    ],
)
def test_8_7_8_1_a_single_media_type_is_no_choice_for_several_things(
    http: httpx2.Client, origin: Archive, image: Sample, resource: int | str, accept: str
) -> None:
    """10.4.4: if no media type remains, it is 406."""
    path = image.instance + resource if isinstance(resource, str) else image.levels[resource]
    if accept.endswith("xml"):
        path += "/metadata"
    problem(get(http, origin.root + path, accept), 406)


@pytest.mark.parametrize("quoted", ["{}", '"{}"'])
def test_8_7_1_a_type_may_be_unquoted(
    http: httpx2.Client, origin: Archive, image: Sample, quoted: str
) -> None:
    """The grammar requires quotation marks; clients leave them out."""
    for resource, name in (("", DICOM), ("/frames/1", OCTETS), ("/metadata", f"{DICOM}+xml")):
        accept = f"multipart/related; type={quoted.format(name)}"
        response = got(http, f"{origin.root}{image.instance}{resource}", accept)
        assert media_type(response) == f'multipart/related; type="{name}"'


@pytest.mark.parametrize("written", ["{}", '"{}"'])
@pytest.mark.parametrize("syntax", [EXPLICIT, RLE, JPEG_LS, JPEG_2000])
def test_8_7_3_5_2_a_transfer_syntax_is_a_parameter_of_the_media_type(
    http: httpx2.Client, origin: Archive, image: Sample, syntax: str, written: str
) -> None:
    response = got(http, origin.root + image.instance, f"{DICOM}; transfer-syntax={written.format(syntax)}")
    assert response.headers["Content-Type"] == f"{DICOM}; transfer-syntax={syntax}"
    assert transfer_syntax(response.content) == syntax


def test_8_7_3_5_2_of_several_the_best_counts(http: httpx2.Client, origin: Archive, image: Sample) -> None:
    accept = f"{DICOM}; transfer-syntax={JPEG_BASELINE}, {DICOM}; transfer-syntax={RLE};q=0.5, {DICOM};q=0.1"
    assert transfer_syntax(got(http, origin.root + image.instance, accept).content) == RLE


def test_8_7_3_5_2_one_in_which_it_cannot_be_had_is_406_with_those_in_which_it_can(
    http: httpx2.Client, origin: Archive, image: Sample
) -> None:
    accept = f"{DICOM}; transfer-syntax={JPEG_BASELINE}"
    listed = problem(get(http, origin.root + image.instance, accept), 406)["available"]
    assert isinstance(listed, list)
    assert {*listed} >= {
        f"{DICOM}; transfer-syntax={syntax}" for syntax in (EXPLICIT, RLE, JPEG_LS, JPEG_2000)
    }


@pytest.mark.parametrize(
    "name", ["MR_small_RLE", "MR_small_jpeg_ls_lossless", "MR_small_jp2klossless", "SC_rgb_jpeg_gdcm"]
)
def test_8_7_3_4_the_default_is_explicit_vr_little_endian(
    http: httpx2.Client, corpus: list[Path], name: str
) -> None:
    """What is compressed without loss is decompressed, and `*` is as it is held."""
    held = sample(corpus, name)
    assert transfer_syntax(got(http, ORTHANC + held.instance, DICOM).content) == EXPLICIT
    as_held = got(http, ORTHANC + held.instance, f"{DICOM}; transfer-syntax=*")
    assert transfer_syntax(as_held.content) == transfer_syntax(held.file) != EXPLICIT


@pytest.mark.parametrize("name", ["SC_rgb_jpeg_dcmtk", "JPEG-lossy", "693_J2KI"])
def test_8_7_3_4_what_is_held_with_loss_only_is_given_as_it_is(
    http: httpx2.Client, corpus: list[Path], name: str
) -> None:
    """But decompressed for whoever asks for it by name (Note 2 allows both)."""
    held = sample(corpus, name)
    assert transfer_syntax(got(http, ORTHANC + held.instance, DICOM).content) == transfer_syntax(held.file)
    explicit = got(http, ORTHANC + held.instance, f"{DICOM}; transfer-syntax={EXPLICIT}")
    assert transfer_syntax(explicit.content) == EXPLICIT


@pytest.mark.parametrize("name", ["MR_small_implicit", "MR_small_bigendian", "rtplan", "rtdose_expb"])
@pytest.mark.parametrize("syntax", ["", "; transfer-syntax=*", f"; transfer-syntax={EXPLICIT}"])
def test_8_7_3_implicit_vr_and_big_endian_are_never_sent(
    http: httpx2.Client, origin: Archive, corpus: list[Path], name: str, syntax: str
) -> None:
    """Old objects are converted, not even `*` gives them as they are held."""
    held = sample(corpus, name)
    assert transfer_syntax(held.file) != EXPLICIT
    content = got(http, origin.root + held.instance, DICOM + syntax).content
    assert transfer_syntax(content) == EXPLICIT
    assert values(read(content)) == values(held.read())


def values(ds: pydicom.Dataset) -> dict[int, object]:
    """The values of a data set; without group lengths, and without pixels, which may be turned round."""
    return {
        element.tag: element.value
        for element in ds
        if element.tag.element and element.tag not in (0x7FE00010, 0xFFFCFFFC)
    }


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.2"])
def test_8_7_3_and_are_not_to_be_had(
    http: httpx2.Client, origin: Archive, image: Sample, syntax: str
) -> None:
    problem(get(http, origin.root + image.instance, f"{DICOM}; transfer-syntax={syntax}"), 406)
    problem(get(http, f"{origin.root}{image.instance}/frames/1", f"{OCTETS}; transfer-syntax={syntax}"), 406)


@pytest.mark.parametrize(
    ("name", "accept", "expected"),
    [
        ("MR_small_RLE", "image/dicom-rle", RLE),
        ("MR_small_RLE", "image/x-dicom-rle", RLE),
        ("MR_small_jpeg_ls_lossless", "image/jls", JPEG_LS),
        ("MR_small_jpeg_ls_lossless", "image/x-jls", JPEG_LS),
        ("MR_small_jp2klossless", "image/jp2", JPEG_2000),
        ("JPEG2000", "image/jp2", "1.2.840.10008.1.2.4.91"),
        ("SC_rgb_jpeg_dcmtk", "image/jpeg", JPEG_BASELINE),
        ("JPEG-lossy", "image/jpeg", "1.2.840.10008.1.2.4.51"),
        ("SC_rgb_jpeg_gdcm", "image/jpeg", "1.2.840.10008.1.2.4.70"),
    ],
)
def test_8_7_3_3_2_compressed_frames_have_media_types_of_their_own(
    http: httpx2.Client, corpus: list[Path], name: str, accept: str, expected: str
) -> None:
    """Table 8.7.3-5, and the names that some had before (Note 8); single or as a part."""
    url = f"{ORTHANC}{sample(corpus, name).instance}/frames/1"
    standard = accept.replace("x-", "")
    response = got(http, url, accept)
    assert response.headers["Content-Type"] == f"{standard}; transfer-syntax={expected}"
    (part,) = parts(got(http, url, f'multipart/related; type="{accept}"'), standard)
    assert form(part) == f"{standard}; transfer-syntax={expected}"
    assert part.content == response.content


@pytest.mark.parametrize(
    ("accept", "syntax"), [("image/jls", JPEG_LS), ("image/jp2", JPEG_2000), ("image/dicom-rle", RLE)]
)
def test_8_7_3_3_2_what_is_native_is_compressed_in_the_default_of_a_media_type(
    http: httpx2.Client, origin: Archive, image: Sample, accept: str, syntax: str
) -> None:
    response = got(http, f"{origin.root}{image.instance}/frames/1", accept)
    assert response.headers["Content-Type"] == f"{accept}; transfer-syntax={syntax}"


def test_8_7_3_3_2_compressed_frames_are_without_fragment_delimiters(
    http: httpx2.Client, corpus: list[Path]
) -> None:
    """The codestream and nothing else: as pydicom takes it out of its fragments."""
    for name in ("examples_ybr_color", "examples_jpeg2k", "SC_rgb_rle_2frame", "GDCMJ2K_TextGBR"):
        held = sample(corpus, name)
        ds = held.read()
        count = int(ds.get("NumberOfFrames", 1))
        expected = pydicom.encaps.get_frame(ds.PixelData, count - 1, number_of_frames=count)
        content = got(
            http, f"{ORTHANC}{held.instance}/frames/{count}", f"{OCTETS}; transfer-syntax=*"
        ).content
        assert content == expected


def test_8_7_9_the_content_type_and_the_file_name_the_same_transfer_syntax(
    http: httpx2.Client, anywhere: Archive, corpus: list[Path]
) -> None:
    """On conflict the file would count: there is none."""
    for syntax in ("", "; transfer-syntax=*", f"; transfer-syntax={RLE}"):
        response = got(http, anywhere.root + sample(corpus, "17106").series, DICOM_PARTS + syntax)
        for part in parts(response, DICOM):
            assert form(part) == f"{DICOM}; transfer-syntax={transfer_syntax(part.content)}"
            assert part.headers["Content-Length"] == str(len(part.content))


def test_8_6_1_2_each_part_says_what_it_is_and_where_it_is(
    http: httpx2.Client, origin: Archive, image: Sample
) -> None:
    """Content-Type with the transfer syntax, and the URL that the metadata have of it (10.4.3.3.5)."""
    url = origin.root + image.instance
    (described,) = matches(http.get(f"{url}/metadata"))
    for resource in ("/pixeldata", "/bulkdata/7FE00010"):
        (part,) = parts(got(http, url + resource, OCTET_PARTS), OCTETS)
        assert form(part) == f"{OCTETS}; transfer-syntax={EXPLICIT}"
        assert part.headers["Content-Location"] == described["7FE00010"]["BulkDataURI"]
    for resource in ("/frames/1", "/frames/1/rendered", "/rendered"):
        kind = OCTETS if resource == "/frames/1" else "image/jpeg"
        (part,) = parts(got(http, url + resource, f'multipart/related; type="{kind}"'), kind)
        again = got(http, part.headers["Content-Location"], part.headers["Content-Type"])
        assert again.content == part.content


def test_8_7_1_boundaries_are_random(http: httpx2.Client, origin: Archive, image: Sample) -> None:
    found = {got(http, origin.root + image.instance).headers["Content-Type"] for _ in range(3)}
    assert len(found) == 3
