"""Native frames out of the bytes around them: in little endian, and from a byte on (PS3.5 7.3, 8.1.1)."""

from isthmus.common.dicom.frame_index import NativeFrames
from isthmus.common.dicom.json_values import swapped


def covering_words(index: NativeFrames, number: int) -> tuple[int, int]:
    """Give offset, from the first frame, and length of the whole words in which a frame lies.

    Raises:
        NoSuchObject: there are not as many frames.
    """
    ((offset, length),) = index.frame(number)
    first = offset - index.position
    begin = first - first % index.word_size
    end = first + length
    end = min(end + -end % index.word_size, index.length)
    return begin, end - begin


def cut_out(data: bytes, index: NativeFrames, number: int) -> bytes:
    """Cut a frame out of the words that cover it; the bits after its last one are 0."""
    begin, _ = covering_words(index, number)
    first_bit = (number - 1) * index.bits - begin * 8
    turned = swapped(data, index.word_size)
    if not first_bit % 8 and not index.bits % 8:
        return turned[first_bit // 8 : (first_bit + index.bits) // 8]
    # The first pixel is the least significant bit of the first byte (PS3.5 8.1.1).
    number_of_all = int.from_bytes(turned, "little")
    return (number_of_all >> first_bit & (1 << index.bits) - 1).to_bytes(-(-index.bits // 8), "little")
