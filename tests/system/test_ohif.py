"""OHIF in a browser, before the demo PACS: what a user sees is what the objects hold."""

import base64
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, Response, sync_playwright
from pydicom.pixels.utils import pixel_array

from tests.planted import plant
from tests.system.browser import CHROMIUM, OPTIONS
from tests.system.gateway import Gateway

WITHIN_MS: Final = 240_000
SCREENSHOTS: Final = os.environ.get("ISTHMUS_TEST_SCREENSHOTS")
"""A folder for the pictures of the documents."""
PIXELS: Final = """
() => {
  const canvas = document.querySelector('canvas.cornerstone-canvas');
  return canvas ? canvas.toDataURL('image/png') : null;
}
"""
DRAWN: Final = """
() => {
  const canvas = document.querySelector('canvas.cornerstone-canvas');
  if (!canvas || !canvas.width) return false;
  const bytes = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let lit = 0;
  for (let at = 0; at < bytes.length; at += 4) lit += bytes[at] > 40;
  return lit > canvas.width * canvas.height / 100;
}
"""

Picture = NDArray[np.float64]


@pytest.fixture(scope="module")
def demo(start_demo: Callable[[], Gateway]) -> Gateway:
    """A system as `make viewer` and `make up` leave it."""
    return start_demo()


@pytest.fixture(scope="module")
def page(demo: Gateway) -> Iterator[Page]:
    """A page of a browser that has seen the viewer before."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page(base_url=demo.url, viewport={"width": 1280, "height": 800})
        page.set_default_timeout(WITHIN_MS)
        page.goto("/")
        page.get_by_role("button", name="Confirm and hide").click()
        yield page
        browser.close()


def opened(page: Page, study: str) -> Picture:
    """Open a study, and give what its first viewport shows: gray levels, or RGB."""
    page.goto(f"/viewer?StudyInstanceUIDs={study}")
    page.wait_for_function(DRAWN)
    skip = page.get_by_text("Skip all")
    if skip.is_visible():
        skip.click()
    url = page.evaluate(PIXELS)
    assert isinstance(url, str)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"), float)


def fitted(shown: Picture, rows: int, columns: int) -> Picture:
    """Give what is shown at the centre of each pixel of an image that fills the viewport, its ratio kept."""
    height, width = shown.shape[:2]
    scale = min(height / rows, width / columns)
    down = (np.arange(rows) + 0.5 - rows / 2) * scale + height / 2
    right = (np.arange(columns) + 0.5 - columns / 2) * scale + width / 2
    found: Picture = shown[down.astype(int)[:, np.newaxis], right.astype(int)[np.newaxis, :]]
    return found


def likeness(shown: Picture, expected: Picture) -> float:
    """Correlate what is shown with what is expected."""
    found = fitted(shown, *expected.shape[:2])
    found = found if expected.ndim == 3 else found.mean(axis=2)
    return float(np.corrcoef(found.ravel(), expected.ravel())[0, 1])


def windowed(ds: pydicom.Dataset) -> Picture:
    """Apply rescale and window (PS3.3 C.11.1, C.11.2.1.2)."""
    units = pixel_array(ds) * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
    first = ds.WindowCenter if not hasattr(ds.WindowCenter, "__iter__") else ds.WindowCenter[0]
    width = ds.WindowWidth if not hasattr(ds.WindowWidth, "__iter__") else ds.WindowWidth[0]
    shown: Picture = np.clip(((units - (float(first) - 0.5)) / (float(width) - 1) + 0.5) * 255, 0, 255)
    return shown


def held(demo: Gateway, study: str) -> list[pydicom.FileDataset]:
    """The objects of a study, as the demo PACS holds them."""
    files = (demo.data / "demo" / "instances").iterdir()
    found = (pydicom.dcmread(file) for file in files)
    return [ds for ds in found if ds.StudyInstanceUID == study]


def study_of(demo: Gateway, **attributes: str) -> str:
    """The study of the object with these attributes."""
    for file in (demo.data / "demo" / "instances").iterdir():
        ds = pydicom.dcmread(file, stop_before_pixels=True)
        if all(str(ds.get(keyword, "")) == value for keyword, value in attributes.items()):
            return str(ds.StudyInstanceUID)
    raise LookupError(attributes)


def kept(page: Page, name: str) -> None:
    """Keep a picture of the page, where it is asked for."""
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")


def test_the_study_list_shows_what_the_pacs_holds(page: Page) -> None:
    page.goto("/")
    for patient in ("Phantom, Head", "CompressedSamples, CT1", "Citizen, Jan"):
        page.get_by_text(patient).first.wait_for()
    kept(page, "studies")


def test_a_ct_series_is_shown_as_it_was_windowed(page: Page, demo: Gateway) -> None:
    study = study_of(demo, PatientID="PHANTOM")
    shown = opened(page, study)
    assert max(likeness(shown, windowed(ds)) for ds in held(demo, study)) > 0.98
    for _ in range(19):
        page.keyboard.press("ArrowDown")
    page.get_by_text("(20/40)").wait_for()
    kept(page, "ct")


def test_a_multi_frame_ultrasound_is_shown_in_its_colours(page: Page, demo: Gateway) -> None:
    study = study_of(demo, NumberOfFrames="30", Modality="US")
    shown = opened(page, study)
    (ds,) = held(demo, study)
    assert max(likeness(shown, frame.astype(float)) for frame in pixel_array(ds)) > 0.95
    kept(page, "ultrasound")


def test_a_compressed_image_is_shown(page: Page, demo: Gateway) -> None:
    study = study_of(demo, Modality="CT", BitsStored="14")
    shown = opened(page, study)
    (ds,) = held(demo, study)
    assert ds.file_meta.TransferSyntaxUID.is_compressed
    assert likeness(shown, windowed(ds)) > 0.98
    kept(page, "compressed")


def test_a_link_shows_its_study_and_keeps_out_of_the_address(page: Page, demo: Gateway) -> None:
    study = study_of(demo, Modality="CT", BitsStored="14")
    made = demo.isthmus("link", study, "--viewer")
    assert made.returncode == 0, made.stderr
    link = plant(made.stdout.strip().partition("&token=")[2])
    asked: list[tuple[str | None, int]] = []

    def note(response: Response) -> None:
        if "/dicomweb/" in response.url:
            asked.append((response.request.headers.get("authorization"), response.status))

    page.on("response", note)
    page.goto(made.stdout.strip())
    page.wait_for_function(DRAWN)
    page.remove_listener("response", note)
    assert link not in page.url
    assert {*asked} == {(f"Bearer {link}", 200)}
    everything = page.request.get("/dicomweb/studies", headers={"Authorization": f"Bearer {link}"})
    assert [one["0020000D"]["Value"] for one in everything.json()] == [[study]]
