"""The Presentation LUT: the last of the grayscale stages (PS3.3 C.11.4, C.11.6)."""

from pydicom.dataset import Dataset

from isthmus.wado.pictures.rendering.lookup_tables import Floats, LookupTable
from isthmus.wado.pictures.rendering.modality import Transform
from isthmus.wado.pictures.rendering.values import items, text


def presentation_transform(ds: Dataset, photometric_interpretation: str) -> Transform | None:
    """Give what is to be done with the portions that the VOI LUT gives, or nothing for the identity.

    `MONOCHROME1` and a Presentation LUT Shape of `INVERSE` say the same (PS3.3 C.8.11.3.1.2), so both of them
    invert once.
    """
    table = presentation_table(ds)
    inverted = photometric_interpretation == "MONOCHROME1" or text(ds, "PresentationLUTShape") == "INVERSE"
    if table is None:
        return _inverse if inverted else None
    if inverted:
        return lambda portions: _inverse(table.stretched(portions))
    return table.stretched


def presentation_table(ds: Dataset) -> LookupTable | None:
    """Give the table of the Presentation LUT Sequence, where there is one that can be used."""
    for item in items(ds, "PresentationLUTSequence")[:1]:
        return LookupTable.of(item, signed=False)
    return None


def _inverse(portions: Floats) -> Floats:
    return 1 - portions
