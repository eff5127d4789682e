"""Studies to try things out with: pydicom's sample files, and a phantom.

As a program it writes them into a folder: `python -m isthmus.cli.samples FOLDER`.
"""

import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts
from pynetdicom.dsutils import encode

from isthmus.cli.phantom import phantom

_FOLDERS = ("test_files", "charset_files")
_SOP_CLASSES = {context.abstract_syntax for context in AllStoragePresentationContexts}
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")


def write_samples(folder: Path) -> int:
    """Write each instance into a file, by its SOP Instance UID; how many they are.

    Of files that say that they are the same instance the first counts: others are truncated, or encoded in
    another way.
    """
    folder.mkdir(parents=True, exist_ok=True)
    held: set[str] = set()
    for path, ds in samples():
        if ds.SOPInstanceUID not in held:
            held.add(ds.SOPInstanceUID)
            shutil.copyfile(path, folder / ds.SOPInstanceUID)
    for ds in phantom():
        held.add(ds.SOPInstanceUID)
        ds.save_as(folder / ds.SOPInstanceUID)
    return len(held)


def samples() -> Iterator[tuple[Path, FileDataset]]:
    """Give pydicom's sample files that qrscp and others can both list and send, with what they hold."""
    data = Path(pydicom.__file__).parent / "data"
    for path in sorted(path for folder in _FOLDERS for path in (data / folder).rglob("*") if path.is_file()):
        try:
            ds = pydicom.dcmread(path)
        except InvalidDicomError:
            continue
        if _can_be_served(ds):
            yield path, ds


def _can_be_served(ds: FileDataset) -> bool:
    if not all(ds.get(keyword) and ds[keyword].value.is_valid for keyword in _UIDS) or not ds.get(
        "PatientID"
    ):
        return False
    syntax = ds.file_meta.get("TransferSyntaxUID")
    if ds.SOPClassUID not in _SOP_CLASSES or syntax not in ALL_TRANSFER_SYNTAXES:
        return False
    # qrscp answers without a Specific Character Set.
    if not str(ds.get("PatientName", "")).isascii():
        return False
    return encode(ds, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated) is not None


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # some of them are there because they are odd
    print(f"wrote {write_samples(Path(sys.argv[1]))} instances")
