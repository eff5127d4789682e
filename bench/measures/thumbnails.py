"""Small pictures of the images of a series, as a viewer wants them all at once, and large ones."""

from collections.abc import Sequence
from itertools import chain
from typing import Final

from bench.contestants import bare_pictures, load, request, whole
from bench.data import Study
from bench.exchange import Ask
from bench.replica import replicas
from bench.rounds import alternate
from bench.site import ORIGIN, Site
from bench.table import Row, Section, seconds, speed, within

_CLIENTS: Final = 8
_WANTED: Final = 100
_AT_MOST: Final = 3.0
"""Seconds."""
_ROUNDS: Final = 3
_JPEG: Final = "image/jpeg"
_BARE: Final = "pydicom, numpy and Pillow in one process"
_THUMBNAIL: Final = 128
"""Pixels of its longer side, where nothing else is asked for."""


def measure(site: Site) -> Section:
    """Ask a wado that has just been started, so that nothing is known of the images, nor kept.

    Its processes have shown other images before: what starts with the first picture is no part of this.
    """
    study = site.study
    for held in (study, site.small_study):
        request(site.url() + held.path, len(held.files))
    count = max(min(_WANTED, len(study.files) // 3), 1)
    times = alternate(
        min(site.options.rounds, _ROUNDS),
        {
            "ours": lambda: _pictures(site, study, count),
            "bare thumbnails": lambda: (bare_pictures(study.files[:count], _THUMBNAIL),),
            "bare pictures": lambda: (bare_pictures(study.files[:count], site.options.pixels),),
        },
    )
    anew, kept, by_one, pictures = zip(*times["ours"], strict=True)
    bare = {name: [each for (each,) in given] for name, given in times.items() if name != "ours"}
    size = f"{site.options.pixels} x {site.options.pixels}"
    title = f"{count} thumbnails of CT of {size}"
    rows = [
        within(f"{title}, nothing kept, for {_CLIENTS} clients", anew, _AT_MOST),
        within(f"{title}, nothing kept, for one client", by_one, _AT_MOST),
        Row(measure=f"- the same, kept, for {_CLIENTS} clients", ours=seconds(kept)),
        speed(f"- {title}, against {_BARE}", anew, bare["bare thumbnails"]),
        speed(f"- {count} pictures of {size}, against {_BARE}", pictures, bare["bare pictures"]),
    ]
    return Section("Pictures", rows)


def _pictures(site: Site, study: Study, count: int) -> tuple[float, float, float, float]:
    """Give the seconds of thumbnails for many clients, of the same again, for one, and of large pictures."""
    for held in (study, site.small_study):
        site.clear_derived(held)
    first, second, third = (
        [_path(study, (at + number) % len(study.files)) for number in range(count)]
        for at in (0, count, 2 * count)
    )
    with replicas(site, {"wado": ("isthmus.wado",)}) as bases:
        others = [_path(site.small_study, number) for number in range(len(site.small_study.files))]
        _ask(bases["wado"], others, "thumbnail", _CLIENTS)
        return (
            _ask(bases["wado"], first, "thumbnail", _CLIENTS),
            _ask(bases["wado"], first, "thumbnail", _CLIENTS),
            _ask(bases["wado"], second, "thumbnail", 1),
            _ask(bases["wado"], third, "rendered", _CLIENTS),
        )


def _path(study: Study, number: int) -> str:
    series, instance = study.series_path, study.uids[number]
    return f"/aets/{ORIGIN}{series}/instances/{instance}"


def _ask(base: str, instances: Sequence[str], resource: str, clients: int) -> float:
    """Let clients share what is asked for; the seconds until the last of them has it all."""
    urls = [f"{base}{instance}/{resource}" for instance in instances]
    shares = [urls[first::clients] for first in range(min(clients, len(urls)))]
    answers = load(*(Ask(url=share[0], others=share[1:], accept=_JPEG) for share in shares))
    for answer in chain.from_iterable(answers):
        whole(answer, 0)
    return max(sum(answer.seconds for answer in each) for each in answers)
