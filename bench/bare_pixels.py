"""The bound of what is made of pixels: `python -m bench.bare_pixels`, pydicom alone, one file after another.

One process, with the same decoders; files from disk, what is made stays in memory.
"""

import time
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from bench.told import answer

_QUALITY: Final = 90


def picture(ds: Dataset, size: int) -> bytes:
    """Show an image as a JPEG: from its least value to its greatest, as it says nothing else."""
    values = apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds).astype(np.float64)
    least, most = values.min(), values.max()
    levels = ((values - least) * (255 / max(most - least, 1))).round().astype(np.uint8)
    image = Image.fromarray(levels)
    if size < max(image.size):
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    written = BytesIO()
    image.save(written, "JPEG", quality=_QUALITY)
    return written.getvalue()


def decompressed(ds: Dataset) -> bytes:
    """Write an instance without compression."""
    ds.decompress(generate_instance_uid=False)
    written = BytesIO()
    dcmwrite(written, ds)
    return written.getvalue()


def work(files: list[str], size: int | None) -> dict[str, object]:
    """Make pictures that fit into a square, or decompress where there is none: seconds, and bytes."""
    for warm in (True, False):  # what is imported when it is first needed is there when the clock starts
        started = time.perf_counter()
        made = 0
        for file in files[:1] if warm else files:
            ds = dcmread(file)
            made += len(decompressed(ds) if size is None else picture(ds, size))
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "size": made}


def main() -> None:
    """Do what standard input says."""
    answer(work)


if __name__ == "__main__":
    main()
