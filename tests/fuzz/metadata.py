"""Metadata made into instances, with bulkdata at hand."""

from collections.abc import Sequence
from io import BytesIO
from typing import Final

from isthmus.common.dicom.from_json import Stretch
from isthmus.common.dicom.json_model import metadata_of
from isthmus.common.dicom.part10 import file_header
from isthmus.common.errors import MalformedDataset
from isthmus.stow.composing import Composed, Refused, compose
from isthmus.stow.parts import BulkPart, Kind, Located
from isthmus.stow.pictures.compressed import Compressed, Pixels
from tests.fuzz.refusals import PLANTED, refusing

_BASE: Final = "http://isthmus/studies"
_BULK: Final = Compressed(
    "1.2.840.10008.1.2.4.50", pixels=Pixels(2, 2, 1, 8, "MONOCHROME2"), frames=((0, 16),)
)
_LOCATED: Final[Located] = {
    "http://isthmus/pixels": [BulkPart(Stretch("pixels", 0, 16), _BULK)],
    "http://isthmus/bytes": [BulkPart(Stretch("bytes", 0, 16))],
}


def composed(metadata: bytes, kind: Kind) -> Sequence[Composed | Refused]:
    """Make instances of a part of metadata; none where it cannot be read."""
    found: Sequence[Composed | Refused] = ()
    with refusing(MalformedDataset):
        found = compose(metadata, kind, _LOCATED, _BASE)
    for one in found:
        assert not isinstance(one, Refused) or PLANTED not in one.detail, "a refusal quotes what came"
    return found


def readable(instance: Composed) -> None:
    """See that what was made of metadata can be read: nobody finds it otherwise, though it is stored."""
    who = instance.identity
    content = file_header(
        sop_class_uid=who.sop_class_uid,
        sop_instance_uid=who.sop_instance_uid,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        source_ae_title=None,
    )
    pieces = (bytes(piece.length) if isinstance(piece, Stretch) else piece for piece in instance.dataset)
    described, _ = metadata_of(BytesIO(content + b"".join(pieces)), "/bulk")
    assert described["00080018"]["Value"] == [who.sop_instance_uid]
