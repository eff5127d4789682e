"""Storing pixel data as clients compress them (PS3.18 10.5.2, Table 10.5.2-1)."""

from io import BytesIO
from pathlib import Path
from typing import Final

import httpx2
import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import generate_frames, parse_basic_offsets
from pydicom.uid import RLELossless

from isthmus.stow import bulkdata
from tests.data_sets import identity, make_series
from tests.stow.payloads import (
    OCTETS,
    Model,
    Part,
    Sent,
    body,
    comments,
    described,
    headers,
    metadata,
    reasons,
)
from tests.stow.test_pictures import COLOUR, GREY, avc, bomb, jpeg, mp4

OMITTED: Final = (
    "Rows Columns SamplesPerPixel PhotometricInterpretation "
    "BitsAllocated BitsStored HighBit PixelRepresentation"
)
"""The Image Pixel Description Macro, as far as the series has it."""


def omitting(file: Path, keywords: str = OMITTED, **others: object) -> Model:
    """Describe an image, without what its pixels tell."""
    found = described(file).metadata
    for keyword in keywords.split():
        found.pop(f"{pydicom.tag.Tag(keyword):08X}", None)
    for keyword, value in others.items():
        tag = pydicom.tag.Tag(keyword)
        found[f"{tag:08X}"] = {"vr": pydicom.datadict.dictionary_VR(tag), "Value": [value]}
    found["7FE00010"] = {"vr": "OB", "BulkDataURI": "pixels"}
    return found


async def store(client: httpx2.AsyncClient, found: Model, *parts: Part) -> httpx2.Response:
    return await client.post("studies", content=body([metadata(found), *parts]), headers=headers())


def pixels(content: bytes | bytearray, content_type: str = "image/jpeg") -> Part:
    return Part(bytes(content), content_type, "pixels")


def png(picture: Image.Image, **options: object) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG", **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("part", "syntax", "photometric"),
    [
        (pixels(jpeg(Image.fromarray(COLOUR))), "4.50", "YBR_FULL_422"),
        (pixels(imagecodecs.jpegls_encode(GREY), "image/jls"), "4.80", "MONOCHROME2"),
        (pixels(imagecodecs.jpegls_encode(GREY), "image/x-jls"), "4.80", "MONOCHROME2"),
        (
            pixels(imagecodecs.jpeg2k_encode(COLOUR, codecformat="j2k", reversible=True), "image/jp2"),
            "4.90",
            "YBR_RCT",
        ),
        (
            pixels(imagecodecs.jpeg2k_encode(COLOUR, codecformat="jp2", reversible=True), "image/jp2"),
            "4.90",
            "YBR_RCT",
        ),
        (
            pixels(jpeg(Image.fromarray(GREY)), f"{OCTETS}; transfer-syntax=1.2.840.10008.1.2.4.50"),
            "4.50",
            "MONOCHROME2",
        ),
        (
            pixels(jpeg(Image.fromarray(GREY)), "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.51"),
            "4.51",
            "MONOCHROME2",
        ),
    ],
)
async def test_a_compressed_image_is_encapsulated_and_its_attributes_are_filled_in_from_it(
    client: httpx2.AsyncClient, sent: Sent, series: list[Path], part: Part, syntax: str, photometric: str
) -> None:
    response = await store(client, omitting(series[0]), part)
    assert response.status_code == 200
    ds = sent.only()
    assert ds.file_meta.TransferSyntaxUID == f"1.2.840.10008.1.2.{syntax}"
    assert (ds.Rows, ds.Columns, ds.PhotometricInterpretation) == (6, 8, photometric)
    assert (ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation) == (8, 8, 7, 0)
    assert ("PlanarConfiguration" in ds) == (ds.SamplesPerPixel == 3)
    assert ds.get("LossyImageCompression") == ("01" if syntax in ("4.50", "4.51") else None)
    assert parse_basic_offsets(ds.PixelData) == [0]
    (frame,) = generate_frames(ds.PixelData, number_of_frames=1)
    assert frame.rstrip(b"\0").endswith(b"\xff\xd9")
    assert frame.rstrip(b"\0") in part.content


async def test_a_lossless_image_is_decoded_to_the_pixels_that_were_encoded(
    client: httpx2.AsyncClient, sent: Sent, series: list[Path]
) -> None:
    noise = np.random.default_rng(0).integers(0, 4096, (64, 48), np.uint16)
    found = omitting(
        series[0], "Rows Columns SamplesPerPixel PhotometricInterpretation HighBit", BitsStored=12
    )
    response = await store(client, found, pixels(imagecodecs.jpegls_encode(noise), "image/jls"))
    assert response.status_code == 200
    ds = sent.only()
    assert (ds.BitsAllocated, ds.BitsStored, ds.HighBit) == (16, 12, 11)
    assert (ds.pixel_array == noise).all()


async def test_several_parts_of_one_location_are_frames(
    client: httpx2.AsyncClient, sent: Sent, series: list[Path]
) -> None:
    frames = [imagecodecs.jpegls_encode(GREY + number) for number in range(5)]
    parts = [pixels(frame, "image/jls") for frame in frames]
    response = await store(client, omitting(series[0]), *parts)
    assert response.status_code == 200
    ds = sent.only()
    assert ds.NumberOfFrames == 5
    assert len(parse_basic_offsets(ds.PixelData)) == 5
    found = generate_frames(ds.PixelData, number_of_frames=5)
    for frame, encapsulated in zip(frames, found, strict=True):
        assert encapsulated[: len(frame)] == bytes(frame)


async def test_frames_behind_which_the_body_broke_off_are_no_image_unless_all_are_told(
    client: httpx2.AsyncClient, sent: Sent, series: list[Path]
) -> None:
    frames = [pixels(imagecodecs.jpegls_encode(GREY + number), "image/jls") for number in range(3)]
    pngs = [pixels(png(Image.fromarray(GREY)), "image/png") for _ in range(3)]
    for parts in (frames, pngs):
        content = body([metadata(omitting(series[0])), *parts], closed=False)[:-9]
        response = await client.post("studies", content=content, headers=headers())
        assert (response.status_code, reasons(response)) == (409, [0xC000])
        assert comments(response) == ["(7FE0,0010): cut off, and Number of Frames is not told"]
    content = body([metadata(omitting(series[0], NumberOfFrames="2")), *frames], closed=False)[:-9]
    response = await client.post("studies", content=content, headers=headers())
    assert response.status_code == 202
    assert sent.only().NumberOfFrames == 2


async def test_frames_that_differ_or_are_fewer_than_the_attributes_say_are_refused(
    client: httpx2.AsyncClient, sent: Sent, series: list[Path]
) -> None:
    small, large = (pixels(imagecodecs.jpegls_encode(one), "image/jls") for one in (GREY, COLOUR))
    response = await store(client, omitting(series[0]), small, large)
    assert (response.status_code, reasons(response)) == (409, [0xC004])
    response = await store(client, omitting(series[0], NumberOfFrames="3"), small, small)
    assert (response.status_code, reasons(response)) == (409, [0xC004])
    assert comments(response) == ["(7FE0,0010): (0028,0008) is not what the pixel data say"]


async def test_frames_of_which_some_are_lossless_are_in_a_transfer_syntax_that_holds_all(
    client: httpx2.AsyncClient, sent: Sent, series: list[Path]
) -> None:
    parts = [pixels(imagecodecs.jpegls_encode(GREY, level=level), "image/jls") for level in (0, 2)]
    response = await store(client, omitting(series[0]), *parts)
    assert response.status_code == 200
    ds = sent.only()
    assert ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.81"
    assert ds.LossyImageCompression == "01"


@pytest.mark.parametrize(
    ("keyword", "value"), [("Rows", 7), ("Columns", 7), ("SamplesPerPixel", 3), ("BitsAllocated", 4)]
)
async def test_attributes_that_contradict_the_pixels_are_refused(
    client: httpx2.AsyncClient, sent: Sent, series: list[Path], keyword: str, value: int
) -> None:
    found = omitting(series[0], OMITTED, **{keyword: value})
    response = await store(client, found, pixels(jpeg(Image.fromarray(GREY))))
    assert (response.status_code, reasons(response)) == (409, [0xC004])


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (pixels(b"no picture"), 0xC004),
        (pixels(b""), 0xC004),
        (pixels(b"no picture", "image/png"), 0xC122),
        (pixels(b"\x89PNG\r\n\x1a\n", "image/png"), 0xC004),
        (pixels(b"anything", "image/tiff"), 0xC122),
        (pixels(jpeg(Image.fromarray(GREY), progressive=True)), 0xC122),
        (pixels(jpeg(Image.fromarray(GREY)), f"{OCTETS}; transfer-syntax=1.2.840.10008.1.2.4.70"), 0xC122),
    ],
)
async def test_what_cannot_be_encapsulated_is_refused_with_its_reason(
    client: httpx2.AsyncClient, sent: Sent, series: list[Path], part: Part, reason: int
) -> None:
    response = await store(client, omitting(series[0]), part)
    assert (response.status_code, reasons(response)) == (409, [reason])
    assert not sent


async def test_a_png_becomes_native_pixels(
    client: httpx2.AsyncClient, sent: Sent, series: list[Path]
) -> None:
    response = await store(client, omitting(series[0]), pixels(png(Image.fromarray(COLOUR)), "image/png"))
    assert response.status_code == 200
    ds = sent.only()
    assert ds.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert (ds.PhotometricInterpretation, ds.PlanarConfiguration) == ("RGB", 0)
    assert (ds.pixel_array == COLOUR).all()


async def test_an_animated_gif_becomes_a_multi_frame_image(
    client: httpx2.AsyncClient, sent: Sent, series: list[Path]
) -> None:
    pictures = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]
    file = BytesIO()
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:])
    response = await store(client, omitting(series[0]), pixels(file.getvalue(), "image/gif"))
    assert response.status_code == 200
    ds = sent.only()
    assert ds.NumberOfFrames == 3
    assert (ds.pixel_array == np.stack([np.asarray(picture) for picture in pictures])).all()


async def test_a_bomb_is_out_of_resources(
    client: httpx2.AsyncClient, sent: Sent, series: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    response = await store(client, omitting(series[0]), pixels(bomb(), "image/png"))
    assert (response.status_code, reasons(response)) == (503, [0xA700])
    monkeypatch.setattr(bulkdata, "LARGEST_RASTER", 100)
    response = await store(client, omitting(series[0]), pixels(bomb(), "image/png"))
    assert reasons(response) == [0xA700]


async def test_a_video_is_one_stream_of_frames(
    client: httpx2.AsyncClient, sent: Sent, series: list[Path]
) -> None:
    video = mp4(avc(100, 41))
    response = await store(client, omitting(series[0]), pixels(video, "video/mp4"))
    assert response.status_code == 200
    ds = sent.only()
    assert ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.102"
    assert (ds.Rows, ds.Columns, ds.NumberOfFrames) == (480, 640, 25)
    assert ds.PhotometricInterpretation == "YBR_PARTIAL_420"
    assert parse_basic_offsets(ds.PixelData) == []
    assert next(generate_frames(ds.PixelData, number_of_frames=1)) == video + bytes(len(video) % 2)


async def test_rle_frames_are_stored_as_they_are(
    client: httpx2.AsyncClient, sent: Sent, tmp_path: Path
) -> None:
    (file,) = make_series(tmp_path, 1, transfer_syntax=RLELossless)
    original = pydicom.dcmread(file)
    (frame,) = generate_frames(original.PixelData, number_of_frames=1)
    response = await store(client, omitting(file, ""), pixels(frame, "image/dicom-rle"))
    assert response.status_code == 200
    ds = sent.only()
    assert ds.file_meta.TransferSyntaxUID == RLELossless
    assert (ds.pixel_array == original.pixel_array).all()


async def test_an_encapsulated_document_is_stored_in_its_own_media_type(
    client: httpx2.AsyncClient, sent: Sent, series: list[Path]
) -> None:
    found = described(series[0]).metadata
    del found["7FE00010"]
    found["00420011"] = {"vr": "OB", "BulkDataURI": "document"}
    found["00420012"] = {"vr": "LO", "Value": ["application/pdf"]}
    response = await store(client, found, Part(b"%PDF-1.7 ...", "application/pdf", "document"))
    assert response.status_code == 200
    assert sent.only().EncapsulatedDocument == b"%PDF-1.7 ..."


async def test_an_icon_may_be_native_beside_a_compressed_image(
    client: httpx2.AsyncClient, sent: Sent, series: list[Path]
) -> None:
    found = omitting(series[0])
    found["00880200"] = {"vr": "SQ", "Value": [{"7FE00010": {"vr": "OB", "BulkDataURI": "icon"}}]}
    response = await store(
        client, found, pixels(jpeg(Image.fromarray(GREY))), Part(bytes(64), OCTETS, "icon")
    )
    assert response.status_code == 200
    assert sent.only().IconImageSequence[0].PixelData == bytes(64)


async def test_the_others_are_stored_beside_one_with_bad_pixels(
    client: httpx2.AsyncClient, sent: Sent, series: list[Path]
) -> None:
    good = described(series[1])
    parts = [metadata(omitting(series[0]), good.metadata), pixels(b"no picture"), *good.parts]
    response = await client.post("studies", content=body(parts), headers=headers())
    assert response.status_code == 202
    assert list(sent) == [identity(series[1]).sop_instance_uid]
