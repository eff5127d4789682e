"""A study that is held: from S3 to the client, against S3 alone and against an archive on local disk."""

from typing import Final

from bench.contestants import request, s3_read
from bench.measures.rivals import taking_part
from bench.rounds import alternate
from bench.site import Site, profile_note
from bench.table import Section, speed

S3_THREADS: Final = 4
"""More read no faster on two cores."""


def measure(site: Site) -> Section:
    """Measure throughput, at wado's own port and through the gateway."""
    section = Section("Warm")
    study, rounds = site.study, site.options.rounds
    count, size = len(study.files), study.size
    used: dict[str, float] = {}

    def through(base: str) -> float:
        return request(base + study.path, count).seconds

    def at_wado() -> float:
        with site.profile(used):
            return through(site.wado_url())

    through(site.url())  # from now on it is held
    keys, s3 = site.held_keys(study), site.gateway.run_file.s3
    able = taking_part(site, section, through)
    times = alternate(
        rounds,
        {
            "wado": at_wado,
            "s3": lambda: s3_read(s3, keys, size, threads=S3_THREADS),
            "gateway": lambda: through(site.url()),
            "orthanc": lambda: through(site.orthanc_url),
            **able,
        },
    )
    section.rows = [
        speed(
            "warm study retrieve at wado's own port, against the same objects straight from S3",
            times["wado"],
            times["s3"],
            size=size,
            at_least=0.7,
        ),
        speed("- the same through the gateway", times["gateway"], times["s3"], size=size),
        speed(
            "warm study retrieve at wado's own port, against Orthanc's own WADO-RS",
            times["wado"],
            times["orthanc"],
            size=size,
            at_least=0.3,
            goal=1,
        ),
        speed("- the same through the gateway", times["gateway"], times["orthanc"], size=size),
        *(
            speed(f"- through the gateway, against {name}", times["gateway"], times[name], size=size)
            for name in able
        ),
    ]
    section.notes.append(f"Seconds of processor time a retrieve: {profile_note(used, rounds)}.")
    return section
