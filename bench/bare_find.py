"""The bound of a search: `python -m bench.bare_find`, pynetdicom alone, C-FIND on an open association.

Each match is decoded, element by element; the clock runs from the request to the last of them.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Final

from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pynetdicom import AE
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]  # made at run time

from bench.resting import resting
from bench.told import answer
from isthmus.common.dimse.sockets import MAX_PDU, install

_PENDING: Final = (0xFF00, 0xFF01)


def find(
    host: str,
    port: int,
    ae_title: str,
    level: str,
    keys: Mapping[str, str],
    returned: Sequence[str],
    repeat: int,
) -> dict[str, object]:
    """Ask so many times: seconds of each, and how many matches the last one had."""
    identifier = Dataset()
    for tag in returned:
        identifier.setdefault(Tag(tag), None)
    identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    ae = AE(ae_title="BENCH")
    ae.maximum_pdu_size = MAX_PDU
    ae.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    association = ae.associate(host, port, ae_title=ae_title)
    seconds = []
    matches: list[list[object]] = []
    with resting(association):
        for _ in range(repeat):
            started = time.perf_counter()
            matches = [
                [element.value for element in match]
                for status, match in association.send_c_find(
                    identifier, StudyRootQueryRetrieveInformationModelFind
                )
                if status.Status in _PENDING and match is not None
            ]
            seconds.append(time.perf_counter() - started)
    association.release()
    return {"seconds": seconds, "matches": len(matches)}


def main() -> None:
    """Do what standard input says."""
    answer(find, tune=install)


if __name__ == "__main__":
    main()
