"""Single frames of an instance of many: one at its end costs as much as the first."""

from collections.abc import Sequence
from itertools import chain
from typing import Final

from bench.contestants import load, request, whole
from bench.data import Study
from bench.exchange import Ask
from bench.rounds import alternate
from bench.site import Site
from bench.table import Row, Section, longer

_OCTETS: Final = 'multipart/related; type="application/octet-stream"'
_AS_HELD: Final = _OCTETS + "; transfer-syntax=*"
_EACH: Final = 20
"""Times that each is asked for in a round."""
_AT_MOST: Final = 1.2


def measure(site: Site) -> Section:
    """Ask for frames from the front and from the back, in turns, on one connection."""
    native, compressed = site.frames, site.compressed_frames
    for study in (native, compressed):
        request(site.url() + study.path, 1)
    return Section(
        "Frames",
        [
            _row(site, native, "native", _AS_HELD),
            _row(site, compressed, "JPEG-LS, as held", _AS_HELD),
            _row(site, compressed, "JPEG-LS, decompressed, each for the first time", _OCTETS, anew=True),
        ],
    )


def _row(site: Site, study: Study, form: str, accept: str, *, anew: bool = False) -> Row:
    count = site.options.frames
    far = -(-count * 9 // 10)
    base = f"{site.url()}{study.series_path}/instances/{study.first.sop_instance_uid}/frames"
    number = iter(range(1, count // 10)) if anew else None

    def turn() -> tuple[Sequence[float], Sequence[float]]:
        steps = [next(number, 0) if number else 0 for _ in range(_EACH)]
        pairs = [(f"{base}/{1 + step}", f"{base}/{max(far - step, 1)}") for step in steps]
        # The first one of all, for which the connection is made, does not count.
        ((_, *answers),) = load(Ask(url=f"{base}/1", accept=accept, others=list(chain(*pairs))))
        seconds = [whole(answer, 1).seconds for answer in answers]
        return seconds[::2], seconds[1::2]

    turns = alternate(site.options.rounds, {form: turn})[form]
    first, last = (list(chain.from_iterable(times)) for times in zip(*turns, strict=True))
    return longer(f"frame {far} of {count}, against frame 1: {form}", last, first, at_most=_AT_MOST)
