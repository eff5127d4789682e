"""What a viewer asks for now, while the rest of its study is on its way."""

from bench.contestants import bare_get, load, request, whole
from bench.exchange import Ask
from bench.rounds import alternate
from bench.site import Site
from bench.table import Section, delay


def measure(site: Site) -> Section:
    """Ask for the instance that the PACS sends last, as soon as the study's first bytes are there."""
    study = site.study
    last = bare_get(site.orthanc.peer, study, tuned=True).last
    study_url = site.url() + study.path
    url = f"{site.url()}{study.series_path}/instances/{last}"

    def alone() -> float:
        site.clear(study)
        return request(url, 1).seconds

    def meanwhile() -> float:
        site.clear(study)
        (whole_study,), (instance,) = load(Ask(url=study_url), Ask(url=url, after=0))
        whole(whole_study, len(study.files))
        return whole(instance, 1).seconds

    times = alternate(site.options.rounds, {"meanwhile": meanwhile, "alone": alone})
    row = delay(
        f"the last instance of {len(study.files)} while its study is on the way, against asked alone",
        times["meanwhile"],
        times["alone"],
        at_most=0.3,
    )
    return Section("Ahead", [row])
