"""Requests that are a lot of work, at least one of each kind, for the faces that answer them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from bench import payloads
from bench.data import Study
from bench.exchange import INSTANCES, JSON, Ask
from bench.frames import ct_frames, enhanced
from bench.reports import report
from bench.site import ARCHIVE, ORIGIN, Site

_XML: Final = 'multipart/related; type="application/dicom+xml"'
_OCTETS: Final = 'multipart/related; type="application/octet-stream"'
_OBJECTS: Final = 'multipart/related; type="application/dicom"'
_JPEG_LS: Final = 'multipart/related; type="image/jls"'
_AS_HELD: Final = _OCTETS + "; transfer-syntax=*"
_JPEGS: Final = 'multipart/related; type="image/jpeg"'
_LISTED: Final = 200
"""Frames in a list, where each is worked on."""
_ANIMATED: Final = 400
_CINE, _DEFLATED, _ENHANCED, _REPORT = range(10, 14)
"""Seeds."""


@dataclass(frozen=True, kw_only=True)
class Heavy:
    """One of them."""

    title: str
    face: str = "wado"
    path: str
    accept: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[Path] = ()
    body: Path | None = None

    def ask(self, base: str) -> Ask:
        """Give what the load generator is told of it."""
        return Ask(
            url=base + self.path,
            accept=self.accept,
            headers=self.headers,
            files=[str(file) for file in self.files],
            body=None if self.body is None else str(self.body),
        )


def heavy_requests(site: Site) -> Sequence[Heavy]:
    """Give them in the order in which they are asked: what is made at first demand is made by one of them."""
    return [
        *_objects(site),
        *_metadata(site),
        *_frames(site),
        *_renderings(site),
        *_searches(site),
        *_stores(site),
    ]


def studies(site: Site) -> Sequence[Study]:
    """Give the studies that they are about."""
    return [
        site.study,
        site.searched_study,
        site.large_study,
        site.frames,
        site.compressed_frames,
        *(made(site) for made in (_cine, _deflated, _enhanced, _report)),
    ]


def _objects(site: Site) -> Iterator[Heavy]:
    study, large = _of(site.study), _of(site.large_study)
    frames = site.options.frames
    yield Heavy(title=f"{site.options.instances} instances", path=study, accept=INSTANCES)
    yield Heavy(title=f"{site.options.many} small instances", path=large, accept=INSTANCES)
    yield Heavy(
        title=f"{site.options.many} small instances of all origins as one",
        path=f"/dicomweb{site.large_study.path}",
        accept=INSTANCES,
    )
    yield Heavy(title=f"a zip of {site.options.instances} instances", path=study, accept="application/zip")
    yield Heavy(title=f"a zip of {site.options.many} small instances", path=large, accept="application/zip")
    yield Heavy(
        title=f"an instance of {frames} frames, decompressed",
        path=_of(site.compressed_frames),
        accept=_OBJECTS,
    )
    yield Heavy(title="a deflated instance, inflated", path=_of(_deflated(site)), accept=_OBJECTS)
    yield Heavy(
        title=f"the pixel data of {site.options.matches} instances",
        path=f"{_of(site.searched_study)}/pixeldata",
        accept=_OCTETS,
    )


def _metadata(site: Site) -> Iterator[Heavy]:
    large, many = _of(site.large_study), site.options.many
    yield Heavy(title=f"metadata of {many} instances, made", path=f"{large}/metadata", accept=JSON)
    yield Heavy(title=f"metadata of {many} instances, kept", path=f"{large}/metadata", accept=JSON)
    yield Heavy(title=f"metadata of {many} instances in XML", path=f"{large}/metadata", accept=_XML)
    yield Heavy(
        title=f"metadata of {many} instances of all origins as one",
        path=f"/dicomweb{site.large_study.path}/metadata",
        accept=JSON,
    )
    title = f"metadata of an instance that says much of each of {site.options.many} frames"
    for form, accept in (("JSON", JSON), ("XML", _XML)):
        yield Heavy(title=f"{title}, in {form}", path=f"{_of(_enhanced(site))}/metadata", accept=accept)
    yield Heavy(title="metadata of a deflated instance", path=f"{_of(_deflated(site))}/metadata", accept=JSON)


def _frames(site: Site) -> Iterator[Heavy]:
    listed = ",".join(map(str, range(1, site.options.frames + 1)))
    some = ",".join(map(str, range(1, min(_LISTED, site.options.frames) + 1)))
    native, compressed = _instance(site.frames), _instance(site.compressed_frames)
    yield Heavy(title="all frames, native", path=f"{native}/frames/{listed}", accept=_OCTETS)
    yield Heavy(title="all frames, compressed", path=f"{compressed}/frames/{listed}", accept=_AS_HELD)
    yield Heavy(title=f"{_LISTED} frames, decompressed", path=f"{compressed}/frames/{some}", accept=_OCTETS)
    yield Heavy(
        title=f"{_LISTED} frames, compressed as JPEG-LS", path=f"{native}/frames/{some}", accept=_JPEG_LS
    )
    yield Heavy(
        title=f"{_LISTED} frames of a deflated instance",
        path=f"{_instance(_deflated(site))}/frames/{some}",
        accept=_OCTETS,
    )


def _renderings(site: Site) -> Iterator[Heavy]:
    native = _instance(site.frames)
    some = ",".join(map(str, range(1, min(_LISTED, site.options.frames) + 1)))
    yield Heavy(title=f"{_LISTED} frames, rendered", path=f"{native}/frames/{some}/rendered", accept=_JPEGS)
    yield Heavy(title="a study, rendered", path=f"{_of(site.small_study)}/rendered", accept=_JPEGS)
    yield Heavy(
        title="a frame, rendered as large as it may be",
        path=f"{native}/frames/1/rendered?viewport=8192,8192",
        accept="image/png",
    )
    yield Heavy(title="a GIF of all frames", path=f"{_instance(_cine(site))}/rendered", accept="image/gif")
    yield Heavy(
        title="a frame of an instance that says much of each",
        path=f"{_instance(_enhanced(site))}/frames/1/rendered",
        accept="image/jpeg",
    )
    for name, accept in (("a page", "text/html"), ("a text", "text/plain")):
        title = f"a report of {site.options.findings} findings as {name}"
        yield Heavy(title=title, path=f"{_instance(_report(site))}/rendered", accept=accept)


def _searches(site: Site) -> Iterator[Heavy]:
    path, many = f"{site.large_study.series_path}/instances", site.options.many
    for form, accept in (("JSON", JSON), ("XML", _XML)):
        title = f"a search with {many} matches, in {form}"
        yield Heavy(title=title, face="qido", path=f"/aets/{ORIGIN}{path}", accept=accept)
    title = f"a search of all origins with {many} matches"
    yield Heavy(title=title, face="qido", path=f"/dicomweb{path}", accept=JSON)


def _stores(site: Site) -> Iterator[Heavy]:
    path, directory = f"/aets/{ARCHIVE}/studies", site.directory
    yield Heavy(
        title=f"{site.options.instances} instances stored",
        face="stow",
        path=path,
        accept=JSON,
        files=site.study.files,
    )
    small = site.searched_study
    yield Heavy(
        title=f"{len(small.files)} small instances stored",
        face="stow",
        path=path,
        accept=JSON,
        files=small.files,
    )
    for form in ("json", "xml"):
        yield Heavy(
            title=f"{len(small.files)} small instances stored in {form.upper()}",
            face="stow",
            path=path,
            accept=JSON,
            headers=payloads.headers(form),
            body=payloads.many_objects(directory / f"many-objects.{form}", small, form),
        )
    side = 6 * site.options.pixels
    yield Heavy(
        title=f"two images of {side} x {side} stored in JSON and bulk data",
        face="stow",
        path=path,
        accept=JSON,
        headers=payloads.headers("json"),
        body=payloads.large_values(directory / "large-values.json", site.study, side),
    )


def _of(study: Study) -> str:
    return f"/aets/{ORIGIN}{study.path}"


def _instance(study: Study) -> str:
    return f"/aets/{ORIGIN}{study.series_path}/instances/{study.first.sop_instance_uid}"


def _cine(site: Site) -> Study:
    frames, rows = min(_ANIMATED, site.options.frames), site.options.pixels
    return site.study_of(
        "cine",
        lambda directory: ct_frames(directory, frames, seed=_CINE, rows=rows, transfer_syntax=RLELossless),
    )


def _deflated(site: Site) -> Study:
    frames, rows = min(_ANIMATED, site.options.frames), site.options.pixels
    return site.study_of(
        "deflated",
        lambda directory: ct_frames(
            directory, frames, seed=_DEFLATED, rows=rows, transfer_syntax=DeflatedExplicitVRLittleEndian
        ),
    )


def _enhanced(site: Site) -> Study:
    return site.study_of("enhanced", lambda directory: enhanced(directory, site.options.many, seed=_ENHANCED))


def _report(site: Site) -> Study:
    return site.study_of("report", lambda directory: report(directory, site.options.findings, seed=_REPORT))
