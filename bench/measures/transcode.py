"""Compressed objects given without compression, against pydicom alone."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from pydicom.uid import UID, JPEG2000Lossless, JPEGLSLossless, RLELossless

from bench.contestants import bare_decompress, request
from bench.data import Study, ct_study
from bench.frames import compressed, ct_frames
from bench.rounds import alternate
from bench.site import Site
from bench.table import Row, Section, speed

_OBJECTS: Final = 'multipart/related; type="application/dicom"'
_FRAMES: Final = 100
_SEED: Final = 20
_SYNTAXES: Final[Mapping[str, UID]] = {
    "RLE": RLELossless,
    "JPEG-LS": JPEGLSLossless,
    "JPEG 2000": JPEG2000Lossless,
}


def measure(site: Site) -> Section:
    """Retrieve them in Explicit VR Little Endian; nothing of what was made before is kept."""
    frames, few, rows = min(_FRAMES, site.options.frames), site.options.few, site.options.pixels
    section = Section("Transcoding")
    for number, (name, syntax) in enumerate(_SYNTAXES.items()):
        make = partial(ct_frames, number=frames, rows=rows, seed=_SEED + number, transfer_syntax=syntax)
        study = site.study_of(name, make)
        section.rows.append(_row(site, study, f"an instance of {frames} frames in {name}"))
    study = site.study_of("instances", lambda directory: _series(directory / "compressed", few, rows))
    section.rows.append(_row(site, study, f"a study of {few} instances in JPEG-LS"))
    return section


def _series(directory: Path, instances: int, rows: int) -> Study:
    study = ct_study(directory, instances, seed=_SEED + len(_SYNTAXES), rows=rows)
    return compressed(study, JPEGLSLossless)


def _row(site: Site, study: Study, title: str) -> Row:
    url, count = site.url() + study.path, len(study.files)
    request(url, count)  # from now on it is held

    def ours() -> float:
        site.clear_derived(study)
        return request(url, count, accept=_OBJECTS).seconds

    ours()  # now the processes run in which it is done
    turns: Mapping[str, Callable[[], float]] = {
        "ours": ours,
        "pydicom": lambda: bare_decompress(study.files),
    }
    times = alternate(min(site.options.rounds, 3), turns)
    return speed(f"{title}, decompressed, against pydicom in one process", times["ours"], times["pydicom"])
