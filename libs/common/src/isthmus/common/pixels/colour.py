"""Luminance and chrominance to red, green and blue (PS3.3 C.7.6.3.1.2)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def rgb_of_ybr_full(samples: NDArray[Any], bits: int) -> NDArray[Any]:
    """Convert YBR_FULL to RGB.

    Args:
        samples: Unsigned; rows, columns, and three samples.
        bits: Of a sample, by which the middle of the chrominance is told.
    """
    most = (1 << bits) - 1
    luminance = samples[:, :, 0].astype(np.float32)
    blue = samples[:, :, 1].astype(np.float32) - (1 << (bits - 1))
    red = samples[:, :, 2].astype(np.float32) - (1 << (bits - 1))
    rgb = np.empty_like(samples)
    planes = (luminance + 1.402 * red, luminance - 0.344136 * blue - 0.714136 * red, luminance + 1.772 * blue)
    for number, plane in enumerate(planes):
        rgb[:, :, number] = np.clip(np.rint(plane), 0, most)
    return rgb
