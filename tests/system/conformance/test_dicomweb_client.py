"""dicomweb-client, which nobody here wrote: each of its methods works, with its own defaults."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import httpx2
import numpy as np
import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from numpy.typing import NDArray
from PIL import Image
from pydicom.pixels.utils import pixel_array

from tests.data_sets import Identity, identity
from tests.system.conformance.answers import all_values, value
from tests.system.conformance.archive import Archive
from tests.system.conformance.storing import Destination

PIXEL_DATA: Final = "7FE00010"


@dataclass(frozen=True, slots=True)
class Sample:
    """A client, and an instance that is alone in its study."""

    client: DICOMwebClient
    file: Path

    @property
    def who(self) -> Identity:
        return identity(self.file)

    @property
    def study(self) -> str:
        return self.who.study_instance_uid

    @property
    def series(self) -> tuple[str, str]:
        return self.study, self.who.series_instance_uid

    @property
    def instance(self) -> tuple[str, str, str]:
        return (*self.series, self.who.sop_instance_uid)

    @property
    def pixels(self) -> NDArray[Any]:
        return pixel_array(self.file)

    def is_it(self, found: Iterable[pydicom.Dataset]) -> None:
        """Check that objects are this one, and nothing else."""
        (ds,) = found
        original = pydicom.dcmread(self.file)
        assert ds.SOPInstanceUID == original.SOPInstanceUID
        assert ds.PatientName == original.PatientName
        assert ds.PixelData == original.PixelData

    def describes(self, found: Iterable[Mapping[str, Any]]) -> None:
        """Check that metadata or matches are of this one, and nothing else."""
        (match,) = found
        assert value(match, "StudyInstanceUID") == self.study

    def shows(self, content: bytes) -> None:
        """Check that a picture has its size."""
        picture = Image.open(BytesIO(content))
        assert picture.size == self.pixels.shape[::-1]

    def are_frames(self, found: Iterable[bytes]) -> None:
        """Check that the frames are its only one."""
        assert [*found] == [self.pixels.tobytes()]

    @property
    def bulkdata_url(self) -> str:
        metadata = self.client.retrieve_instance_metadata(*self.instance)
        return str(metadata[PIXEL_DATA]["BulkDataURI"])


def searches_for_studies(sample: Sample) -> None:
    search = sample.client.search_for_studies
    sample.describes(search(search_filters={"StudyInstanceUID": sample.study}))
    found = search(limit=3, offset=1, fields=["StudyDescription"], fuzzymatching=True)
    assert len(found) == 3
    everything = search(limit=3, get_remaining=True, search_filters={"PatientName": "Doe*"})
    assert len(everything) == len(all_values(everything, "StudyInstanceUID")) == 6


def searches_for_series(sample: Sample) -> None:
    sample.describes(sample.client.search_for_series(sample.study))
    sample.describes(sample.client.search_for_series(search_filters={"StudyInstanceUID": sample.study}))


def searches_for_instances(sample: Sample) -> None:
    search = sample.client.search_for_instances
    sample.describes(search(*sample.series))
    sample.describes(search(sample.study))
    sample.describes(search(search_filters={"StudyInstanceUID": sample.study}))


def retrieves_rendered_series(sample: Sample) -> None:
    content = sample.client.retrieve_series_rendered(*sample.series, media_types=("image/jpeg",))
    at = content.index(b"\xff\xd8")
    sample.shows(content[at:])
    assert sample.client.retrieve_series_rendered(*sample.series)


def retrieves_rendered_instance(sample: Sample) -> None:
    rendered = sample.client.retrieve_instance_rendered
    sample.shows(rendered(*sample.instance))
    for media_type in ("image/png", "image/jpeg", "image/gif"):
        sample.shows(rendered(*sample.instance, media_types=(media_type,)))


def retrieves_rendered_frames(sample: Sample) -> None:
    rendered = sample.client.retrieve_instance_frames_rendered
    sample.shows(rendered(*sample.instance, [1]))
    sample.shows(rendered(*sample.instance, [1], media_types=("image/png",)))


def retrieves_frames(sample: Sample) -> None:
    frames = sample.client.retrieve_instance_frames
    sample.are_frames(frames(*sample.instance, [1]))
    sample.are_frames(frames(*sample.instance, [1], media_types=("application/octet-stream",)))


def retrieves_bulkdata(sample: Sample) -> None:
    url = sample.bulkdata_url
    sample.are_frames(sample.client.retrieve_bulkdata(url))
    sample.are_frames(sample.client.retrieve_bulkdata(url, media_types=("application/octet-stream",)))


def refuses(status: int, method: Callable[..., object], *arguments: object) -> None:
    """Check how a call is refused."""
    with pytest.raises(requests.HTTPError) as refused:
        method(*arguments)
    assert refused.value.response is not None
    assert refused.value.response.status_code == status


def looks_up(sample: Sample) -> None:
    assert sample.client.lookup_keyword("00100020") == "PatientID"
    assert sample.client.lookup_tag("PatientID") == "00100020"


def sets_chunk_size(sample: Sample) -> None:
    sample.client.set_chunk_size(10_000)
    sample.is_it(sample.client.iter_study(sample.study))


def sets_retries(sample: Sample) -> None:
    sample.client.set_http_retry_params(retry=True, max_attempts=2, wait_exponential_multiplier=1)
    sample.describes(sample.client.retrieve_study_metadata(sample.study))


CALLS: Final[Mapping[str, Callable[[Sample], None]]] = {
    "search_for_studies": searches_for_studies,
    "search_for_series": searches_for_series,
    "search_for_instances": searches_for_instances,
    "retrieve_study": lambda sample: sample.is_it(sample.client.retrieve_study(sample.study)),
    "iter_study": lambda sample: sample.is_it(sample.client.iter_study(sample.study)),
    "retrieve_study_metadata": lambda sample: sample.describes(
        sample.client.retrieve_study_metadata(sample.study)
    ),
    "retrieve_series": lambda sample: sample.is_it(sample.client.retrieve_series(*sample.series)),
    "iter_series": lambda sample: sample.is_it(sample.client.iter_series(*sample.series)),
    "retrieve_series_metadata": lambda sample: sample.describes(
        sample.client.retrieve_series_metadata(*sample.series)
    ),
    "retrieve_series_rendered": retrieves_rendered_series,
    "retrieve_instance": lambda sample: sample.is_it([sample.client.retrieve_instance(*sample.instance)]),
    "retrieve_instance_metadata": lambda sample: sample.describes(
        [sample.client.retrieve_instance_metadata(*sample.instance)]
    ),
    "retrieve_instance_rendered": retrieves_rendered_instance,
    "retrieve_instance_frames": retrieves_frames,
    "iter_instance_frames": lambda sample: sample.are_frames(
        sample.client.iter_instance_frames(*sample.instance, [1])
    ),
    "retrieve_instance_frames_rendered": retrieves_rendered_frames,
    "retrieve_bulkdata": retrieves_bulkdata,
    "iter_bulkdata": lambda sample: sample.are_frames(sample.client.iter_bulkdata(sample.bulkdata_url)),
    # What is stored has a test of its own; here is nothing to store, or none who takes it of several.
    "store_instances": lambda sample: refuses(
        501 if sample.client.base_url.endswith("/dicomweb") else 400, sample.client.store_instances, []
    ),
    # DIMSE has no deletion.
    "delete_study": lambda sample: refuses(405, sample.client.delete_study, sample.study),
    "delete_series": lambda sample: refuses(405, sample.client.delete_series, *sample.series),
    "delete_instance": lambda sample: refuses(405, sample.client.delete_instance, *sample.instance),
    "lookup_keyword": looks_up,
    "lookup_tag": looks_up,
    "set_chunk_size": sets_chunk_size,
    "set_http_retry_params": sets_retries,
}


def test_no_method_of_the_client_is_left_out() -> None:
    """A new version that has another makes this fail."""
    members = inspect.getmembers(DICOMwebClient, inspect.isfunction)
    assert set(CALLS) == {name for name, _ in members if not name.startswith("_")}


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # its session is never closed
@pytest.mark.parametrize("method", CALLS)
def test_each_method_of_the_client_works(
    http: httpx2.Client, anywhere: Archive, ct: Path, method: str
) -> None:
    sample = Sample(DICOMwebClient(f"{http.base_url}{anywhere.root}"), ct)
    CALLS[method](sample)


def test_frames_of_a_multi_frame_image_are_what_pydicom_reads(
    http: httpx2.Client, origin: Archive, corpus: list[Path]
) -> None:
    """In Implicit VR Little Endian, of 32 bits: some of fifteen, in the order that is asked for."""
    file = next(file for file in corpus if file.name.startswith("rtdose.2"))
    sample = Sample(DICOMwebClient(f"{http.base_url}{origin.root}"), file)
    pixels = sample.pixels
    numbers = [3, 1, 15]
    expected = [pixels[number - 1].tobytes() for number in numbers]
    assert sample.client.retrieve_instance_frames(*sample.instance, numbers) == expected
    assert [*sample.client.iter_instance_frames(*sample.instance, numbers)] == expected
    picture = sample.client.retrieve_instance_frames_rendered(
        *sample.instance, [2], media_types=("image/png",)
    )
    assert np.asarray(Image.open(BytesIO(picture))).shape[:2] == pixels.shape[1:]


def test_what_is_stored_is_read_by_the_client(destination: Destination, fresh: list[Path]) -> None:
    client = DICOMwebClient(f"{destination.http.base_url}{destination.root}")
    datasets = [pydicom.dcmread(file) for file in fresh]
    answer = client.store_instances(datasets)
    assert len(answer.ReferencedSOPSequence) == 3
    assert "FailedSOPSequence" not in answer
    answer = client.store_instances(datasets[:1], study_instance_uid=datasets[0].StudyInstanceUID)
    assert len(answer.ReferencedSOPSequence) == 1
    stored = client.retrieve_study(datasets[0].StudyInstanceUID)
    assert {ds.SOPInstanceUID for ds in stored} == {ds.SOPInstanceUID for ds in datasets}
