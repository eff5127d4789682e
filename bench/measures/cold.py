"""A study that is not held yet: from the PACS through all of us to the client, against C-GET alone."""

from dataclasses import replace

from bench.contestants import bare_get, request
from bench.exchange import Answer
from bench.measures.rivals import taking_part
from bench.rounds import alternate
from bench.site import Site, profile_note
from bench.table import Section, delay, speed


def measure(site: Site) -> Section:
    """Measure throughput and the time to the first byte."""
    section = Section("Cold")
    study, rounds = site.study, site.options.rounds
    count, size = len(study.files), study.size
    used: dict[str, float] = {}

    def ours() -> Answer:
        site.clear(study)
        with site.profile(used):
            return request(site.url() + study.path, count)

    def at_wado() -> Answer:
        site.clear(study)
        return request(site.wado_url() + study.path, count)

    def bare(*, tuned: bool) -> Answer:
        got = bare_get(site.orthanc.peer, study, tuned=tuned)
        return replace(_NOTHING, seconds=got.seconds, first_byte=got.first_byte)

    answers = alternate(
        rounds,
        {
            "ours": ours,
            "tuned": lambda: bare(tuned=True),
            "wado": at_wado,
            "untuned": lambda: bare(tuned=False),
            **taking_part(site, section, lambda base: request(base + study.path, count)),
        },
    )
    times = {name: [answer.seconds for answer in given] for name, given in answers.items()}
    first = {name: [answer.first_byte for answer in given] for name, given in answers.items()}
    section.rows = [
        speed(
            "cold study retrieve, against bare pynetdicom C-GET with one association",
            times["ours"],
            times["untuned"],
            size=size,
            at_least=0.6,
            goal=0.9,
        ),
        speed("- the same at wado's own port", times["wado"], times["untuned"], size=size),
        speed("- the same against pynetdicom with our sockets", times["ours"], times["tuned"], size=size),
        delay(
            "cold time to the first byte, against the first instance of bare C-GET",
            first["ours"],
            first["untuned"],
            at_most=0.1,
        ),
        *(
            speed(f"- cold study retrieve, against {name}", times["ours"], times[name], size=size)
            for name in site.options.rivals
            if name in times
        ),
    ]
    section.notes.append(f"Seconds of processor time a retrieve: {profile_note(used, rounds)}.")
    return section


_NOTHING = Answer(status=200, seconds=0, first_byte=0, size=0, parts=0, whole=True)
