"""Each object comes in the transfer syntax that its client takes, by itself, as a part, or in an archive."""

import io
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import httpx2
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ImplicitVRLittleEndian, RLELossless

from isthmus.common.blobs import BlobStore, derived_prefix
from isthmus.common.messages import MissingInstance
from tests.data_sets import identity, make_series
from tests.wado.bodies import Part, broken_body, parts_of
from tests.wado.conftest import Employ
from tests.wado.urls import instance_of, series_of, study_of
from tests.wado.worker import Job, put

DICOM_PARTS = 'multipart/related; type="application/dicom"'
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
RLE = str(RLELossless)
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_LOSSY = Path(str(get_testdata_file("SC_rgb_jpeg_dcmtk.dcm", download=False)))

JPEG_LOSSY_CONTENT = JPEG_LOSSY.read_bytes()


def parts_in(transfer_syntax: str) -> dict[str, str]:
    return {"Accept": f"{DICOM_PARTS}; transfer-syntax={transfer_syntax}"}


def single_in(transfer_syntax: str) -> dict[str, str]:
    return {"Accept": f"application/dicom; transfer-syntax={transfer_syntax}"}


def syntax_of(part: Part) -> str:
    """The transfer syntax of a part, in its header and in its file alike."""
    written = part.headers["Content-Type"].rpartition("transfer-syntax=")[2]
    assert pydicom.dcmread(BytesIO(part.content)).file_meta.TransferSyntaxUID == written
    assert int(part.headers["Content-Length"]) == len(part.content)
    return written


def has_pixels_of(content: bytes, file: Path) -> bool:
    return np.array_equal(pixel_array(BytesIO(content)), pixel_array(BytesIO(file.read_bytes())))


@pytest.fixture(scope="session")
def rle(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three images of one series, compressed."""
    return make_series(tmp_path_factory.mktemp("rle"), 3, transfer_syntax=RLELossless, seed=2)


@pytest.fixture(scope="session")
def implicit(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three images of one series, in Implicit VR."""
    directory = tmp_path_factory.mktemp("implicit")
    return make_series(directory, 3, transfer_syntax=ImplicitVRLittleEndian, seed=3)


def delivers(employ: Employ, *files: Path | bytes) -> None:
    """The origin has these instances."""

    async def script(job: Job) -> None:
        await job.deliver(*files)
        await job.end()

    employ(script)


class TestTransferSyntax:
    async def test_compressed_images_are_explicit_by_default(
        self, client: httpx2.AsyncClient, employ: Employ, rle: list[Path]
    ) -> None:
        delivers(employ, *rle)
        parts = parts_of(await client.get(study_of(rle[0])))
        assert [syntax_of(part) for part in parts] == [EXPLICIT] * 3
        assert all(has_pixels_of(part.content, file) for part, file in zip(parts, rle, strict=True))

    async def test_an_asterisk_gives_them_as_they_are_held(
        self, client: httpx2.AsyncClient, employ: Employ, rle: list[Path]
    ) -> None:
        delivers(employ, *rle)
        parts = parts_of(await client.get(study_of(rle[0]), headers=parts_in("*")))
        assert [part.content for part in parts] == [file.read_bytes() for file in rle]

    @pytest.mark.parametrize(
        "headers", [{}, parts_in("*"), parts_in(EXPLICIT)], ids=["default", "*", "named"]
    )
    async def test_implicit_vr_never_leaves(
        self, client: httpx2.AsyncClient, employ: Employ, implicit: list[Path], headers: dict[str, str]
    ) -> None:
        delivers(employ, *implicit)
        parts = parts_of(await client.get(study_of(implicit[0]), headers=headers))
        assert [syntax_of(part) for part in parts] == [EXPLICIT] * 3
        for part, file in zip(parts, implicit, strict=True):
            assert pydicom.dcmread(BytesIO(part.content)) == pydicom.dcmread(file)

    async def test_implicit_vr_is_not_to_be_had(
        self, client: httpx2.AsyncClient, employ: Employ, implicit: list[Path]
    ) -> None:
        delivers(employ, *implicit)
        response = await client.get(study_of(implicit[0]), headers=parts_in(IMPLICIT))
        assert response.status_code == 406
        assert f"{DICOM_PARTS}; transfer-syntax={EXPLICIT}" in response.json()["available"]

    async def test_what_has_lost_something_by_compression_stays_as_it_is(
        self, client: httpx2.AsyncClient, employ: Employ
    ) -> None:
        delivers(employ, JPEG_LOSSY)
        url = instance_of(JPEG_LOSSY)
        (part,) = parts_of(await client.get(url))
        assert syntax_of(part) == JPEG_BASELINE
        assert part.content == JPEG_LOSSY_CONTENT

    async def test_but_is_explicit_for_whoever_says_so(
        self, client: httpx2.AsyncClient, employ: Employ
    ) -> None:
        delivers(employ, JPEG_LOSSY)
        (part,) = parts_of(await client.get(instance_of(JPEG_LOSSY), headers=parts_in(EXPLICIT)))
        assert syntax_of(part) == EXPLICIT
        assert has_pixels_of(part.content, JPEG_LOSSY)

    async def test_each_part_is_chosen_separately(
        self,
        client: httpx2.AsyncClient,
        employ: Employ,
        series: list[Path],
        tmp_path: Path,
    ) -> None:
        study = study_of(series[0])
        (rle,) = make_series(tmp_path, 1, study_uid=study, transfer_syntax=RLELossless, seed=4)
        delivers(employ, series[0], rle)
        accept = f"{DICOM_PARTS}; transfer-syntax={RLE}; q=0.1, {DICOM_PARTS}; transfer-syntax={JPEG_LS}"
        response = await client.get(study, headers={"Accept": accept})
        assert [syntax_of(part) for part in parts_of(response)] == [JPEG_LS] * 2
        accept = f"{DICOM_PARTS}; transfer-syntax={RLE}, {DICOM_PARTS}; transfer-syntax={EXPLICIT}"
        response = await client.get(study, headers={"Accept": accept})
        assert [syntax_of(part) for part in parts_of(response)] == [EXPLICIT, RLE]

    async def test_one_that_is_transcoded_can_be_had_by_itself(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path]
    ) -> None:
        delivers(employ, *series)
        response = await client.get(instance_of(series[0]), headers=single_in(JPEG_LS))
        assert response.headers["Content-Type"] == f"application/dicom; transfer-syntax={JPEG_LS}"
        assert int(response.headers["Content-Length"]) == len(response.content)
        assert has_pixels_of(response.content, series[0])


def corrupt(file: Path) -> bytes:
    """The same image, with nonsense for the bytes of its only frame."""
    ds = pydicom.dcmread(file)
    ds.PixelData = pydicom.encaps.encapsulate([b"nonsense" * 20])
    target = BytesIO()
    ds.save_as(target)
    return target.getvalue()


class TestWhatCannotBeTranscoded:
    async def test_is_406_that_names_the_instance_and_how_it_can_be_had(
        self, client: httpx2.AsyncClient, employ: Employ, rle: list[Path]
    ) -> None:
        delivers(employ, corrupt(rle[0]), *rle[1:])
        response = await client.get(study_of(rle[0]))
        assert response.status_code == 406
        assert response.json()["instance"] == identity(rle[0]).sop_instance_uid
        assert response.json()["available"] == [f"application/dicom; transfer-syntax={RLE}"]
        assert (await client.get(study_of(rle[0]), headers=parts_in("*"))).status_code == 200

    async def test_breaks_the_body_off_in_the_middle(
        self, client: httpx2.AsyncClient, employ: Employ, rle: list[Path]
    ) -> None:
        delivers(employ, rle[0], corrupt(rle[1]), rle[2])
        _, body = await broken_body(client, study_of(rle[0]), {})
        assert body.count(b"transfer-syntax") == 1

    async def test_and_cannot_be_read_at_all_goes_as_it_is_to_whoever_takes_any(
        self, client: httpx2.AsyncClient, employ: Employ, implicit: list[Path]
    ) -> None:
        cut = implicit[0].read_bytes()[:-10]
        delivers(employ, cut)
        assert (await client.get(instance_of(implicit[0]))).status_code == 502
        (part,) = parts_of(await client.get(instance_of(implicit[0]), headers=parts_in("*")))
        assert part.content == cut


class TestArchive:
    async def test_has_a_file_for_each_instance_in_a_folder_for_each_series(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path], tmp_path: Path
    ) -> None:
        study = study_of(series[0])
        (large,) = make_series(tmp_path, 1, rows=1600, columns=1600, study_uid=study, seed=5)
        files = [*series, large]
        delivers(employ, *files)
        response = await client.get(study, headers={"Accept": "application/zip"})
        assert response.headers["Content-Type"] == "application/zip"
        assert response.headers["Content-Disposition"] == f'attachment; filename="{study}.zip"'
        with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
            assert archive.testzip() is None
            found = {name: archive.read(name) for name in archive.namelist()}
        assert found == {
            f"{identity(file).series_instance_uid}/{identity(file).sop_instance_uid}.dcm": file.read_bytes()
            for file in files
        }

    @pytest.mark.parametrize("url", [series_of, instance_of])
    async def test_is_in_the_transfer_syntax_that_was_asked_for(
        self, client: httpx2.AsyncClient, employ: Employ, rle: list[Path], url: object
    ) -> None:
        delivers(employ, rle[0])
        assert callable(url)
        for accept, syntax in (("application/zip", EXPLICIT), ("application/zip; transfer-syntax=*", RLE)):
            response = await client.get(url(rle[0]), headers={"Accept": accept})
            with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
                ds = pydicom.dcmread(archive.open(archive.namelist()[0]))
            assert ds.file_meta.TransferSyntaxUID == syntax

    async def test_that_lacks_an_instance_is_broken_off_and_no_archive(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path]
    ) -> None:
        who = identity(series[2])

        async def delivers_two_of_three(job: Job) -> None:
            await job.deliver(*series[:2])
            await job.end(MissingInstance(who.series_instance_uid, who.sop_instance_uid))

        employ(delivers_two_of_three)
        _, body = await broken_body(client, study_of(series[0]), {"Accept": "application/zip"})
        assert series[1].read_bytes() in body
        with pytest.raises(zipfile.BadZipFile):
            zipfile.ZipFile(io.BytesIO(body))


class TestHead:
    @pytest.mark.parametrize("accept", [DICOM_PARTS, "application/zip", "application/dicom"])
    async def test_transcodes_nothing(
        self,
        client: httpx2.AsyncClient,
        employ: Employ,
        blobs: BlobStore,
        origin_name: str,
        rle: list[Path],
        accept: str,
    ) -> None:
        delivers(employ, *rle)
        response = await client.head(instance_of(rle[0]), headers={"Accept": accept})
        assert (response.status_code, response.content) == (200, b"")
        assert response.headers["Content-Type"].startswith(accept.partition(";")[0])
        prefix = derived_prefix(origin_name, study_of(rle[0]))
        assert [listed async for listed in blobs.list(prefix)] == []

    async def test_of_what_cannot_be_had_is_406(
        self, client: httpx2.AsyncClient, employ: Employ, rle: list[Path]
    ) -> None:
        delivers(employ, *rle)
        assert (await client.head(study_of(rle[0]), headers=parts_in(JPEG_BASELINE))).status_code == 406


class TestAgain:
    @pytest.mark.parametrize(
        "accept",
        [DICOM_PARTS, "application/zip", "application/dicom", "application/dicom; transfer-syntax=*"],
    )
    async def test_an_instance_that_the_client_has_is_not_sent_again(
        self, client: httpx2.AsyncClient, employ: Employ, rle: list[Path], accept: str
    ) -> None:
        delivers(employ, *rle)
        url = instance_of(rle[0])
        first = await client.get(url, headers={"Accept": accept})
        etag = first.headers["ETag"]
        assert etag.startswith("W/") is not accept.startswith("application/dicom")
        again = await client.get(url, headers={"Accept": accept, "If-None-Match": etag})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)

    async def test_each_representation_has_its_own_tag(
        self, client: httpx2.AsyncClient, employ: Employ, rle: list[Path]
    ) -> None:
        delivers(employ, *rle)
        accepted = [
            single_in("*"),
            single_in(EXPLICIT),
            single_in(JPEG_LS),
            parts_in("*"),
            parts_in(EXPLICIT),
        ]
        tags = {(await client.head(instance_of(rle[0]), headers=each)).headers["ETag"] for each in accepted}
        assert len(tags) == len(accepted)

    @pytest.mark.parametrize("syntax", ["*", EXPLICIT], ids=["held", "transcoded"])
    async def test_what_was_cut_off_can_be_resumed(
        self, client: httpx2.AsyncClient, employ: Employ, rle: list[Path], syntax: str
    ) -> None:
        delivers(employ, *rle)
        url = instance_of(rle[0])
        whole = await client.get(url, headers=single_in(syntax))
        assert whole.headers["Accept-Ranges"] == "bytes"
        wanted = {**single_in(syntax), "Range": "bytes=100-", "If-Range": whole.headers["ETag"]}
        rest = await client.get(url, headers=wanted)
        assert (rest.status_code, rest.content) == (206, whole.content[100:])
        assert rest.headers["Content-Range"] == f"bytes 100-{len(whole.content) - 1}/{len(whole.content)}"
        beyond = {**single_in(syntax), "Range": f"bytes={len(whole.content)}-"}
        assert (await client.get(url, headers=beyond)).status_code == 416

    async def test_parts_have_no_ranges(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path]
    ) -> None:
        delivers(employ, *series)
        response = await client.get(study_of(series[0]), headers={"Range": "bytes=0-9"})
        assert response.status_code == 200
        assert len(parts_of(response)) == 3


async def test_what_nobody_knows_goes_as_it_is_held(
    client: httpx2.AsyncClient,
    employ: Employ,
    blobs: BlobStore,
    origin_name: str,
    series: list[Path],
) -> None:
    held = await put(blobs, origin_name, series[0].read_bytes())

    async def script(job: Job) -> None:
        await job.announce(replace(held, transfer_syntax_uid="1.2.840.113619.5.2"))
        await job.end()

    employ(script)
    (part,) = parts_of(await client.get(instance_of(series[0])))
    assert part.content == series[0].read_bytes()
    assert (await client.get(instance_of(series[0]), headers=parts_in(EXPLICIT))).status_code == 406
