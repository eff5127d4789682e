"""One run of everything, tiny: each measure gives its lines, and the table is written."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from bench.measures import MEASURES
from bench.options import Options
from bench.run import parse, run
from tests.peers import free_port

NOWHERE: Final = f"http://127.0.0.1:{free_port()}/dicom-web"

TINY: Final = Options(
    instances=4,
    pixels=32,
    few=3,
    matches=5,
    many=6,
    large=2**20,
    frames=10,
    findings=5,
    searches=2,
    events=100,
    slow=20,
    clients=(3, 2),
    rounds=1,
    rivals={"nobody": NOWHERE},
)

MEASURED: Final = (
    "isthmus up with its demo, until it is ready",
    "the load generator",
    "cold study retrieve, against bare pynetdicom C-GET",
    "cold time to the first byte",
    "warm study retrieve at wado's own port, against the same objects straight from S3",
    "warm study retrieve at wado's own port, against Orthanc's own WADO-RS",
    "cold study retrieve with all traces, against without",
    "warm study retrieve with all traces, against without",
    "series metadata, 4 instances, warm",
    "small QIDO",
    "QIDO with 5 matches",
    "STOW of 4 instances into Orthanc, against storescu as shipped",
    "STOW of 4 instances into Orthanc with TCP_NODELAY=1",
    "3 clients at once on one cold study of 3 instances: the slowest",
    "3 clients at once on one cold study of 3 instances: transfers",
    "2 clients at once on one cold study of 4 instances: the slowest",
    "2 clients at once on one cold study of 4 instances: transfers",
    "the last instance of 4",
    "frame 9 of 10, against frame 1: native",
    "frame 9 of 10, against frame 1: JPEG-LS, as held",
    "frame 9 of 10, against frame 1: JPEG-LS, decompressed",
    "1 thumbnails of CT of 32 x 32, nothing kept, for 8 clients",
    "1 thumbnails of CT of 32 x 32, nothing kept, for one client",
    "- the same, kept, for 8 clients",
    "- 1 thumbnails of CT of 32 x 32, against pydicom",
    "- 1 pictures of 32 x 32, against pydicom",
    "an instance of 10 frames in RLE, decompressed",
    "an instance of 10 frames in JPEG-LS, decompressed",
    "an instance of 10 frames in JPEG 2000, decompressed",
    "a study of 3 instances in JPEG-LS, decompressed",
    "one instance of 1 MiB, stored:",
    "one instance of 1 MiB, stored and retrieved:",
    "6 small instances retrieved",
    "6 small instances by C-MOVE from a DICOMweb server",
    "C-MOVE of 4 CT from a DICOMweb server, cold, against WADO-RS by httpx2 and then C-STORE by pynetdicom",
    "- the same by httpx2 and storescu",
    "the first image at the destination",
    "C-FIND of 5 studies at a DICOMweb server",
    "small QIDO beside 20 connections that send a byte a second",
    "C-ECHO beside 20 connections that send a byte a second",
    "C-STORE of 4 CT by storescu with TCP_NODELAY=1, durable",
    "study.arrived at a subscriber",
    "10 senders at once, 5 instances each",
    "100 instance events of 1 studies waiting",
    "- 12 instance events of 3 studies waiting",
)
"""How the lines begin of which numbers are wanted."""


@pytest.fixture(scope="module")
def results() -> str:
    """Of a measure that failed, those of a second try too: much else runs here, and somebody may give up."""
    text = run(TINY)
    failed = {name for name in MEASURES if re.search(rf"^\| {name}(:.*)? \| failed", text, re.MULTILINE)}
    return text + run(replace(TINY, only=frozenset(failed))) if failed else text


@pytest.mark.parametrize("begin", MEASURED)
def test_each_number_is_measured(results: str, begin: str) -> None:
    rows = re.findall(rf"^\| {re.escape(begin)}.*", results, re.MULTILINE)

    assert rows, results
    assert any("failed" not in row for row in rows)


def test_a_rival_that_does_not_answer_is_named_and_leaves_the_others_alone(results: str) -> None:
    assert "nobody did not take part" in results


def test_the_machine_and_the_versions_are_there(results: str) -> None:
    assert re.search(r"^- Machine: \d+ cores", results, re.MULTILINE)
    for program in ("Python", "pynetdicom", "nats-server", "SeaweedFS", "Orthanc", "DCMTK"):
        assert re.search(rf"{program} \d+\.", results), program


def test_an_unknown_measure_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--only", "cold,luke-warm"])

    assert "unknown: luke-warm" in capsys.readouterr().err


def test_a_rival_needs_a_name_and_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--rival", "http://127.0.0.1:8042/dicom-web"])

    assert "NAME=http://" in capsys.readouterr().err


def test_the_command_line_chooses(tmp_path: Path) -> None:
    options = parse(
        [
            "--only",
            "cold,warm",
            "--instances",
            "7",
            "--rival",
            f"other={NOWHERE}",
            "--output",
            f"{tmp_path}/r",
        ]
    )

    assert options.only == {"cold", "warm"} <= MEASURES.keys()
    assert options.instances == 7
    assert options.rivals == {"other": NOWHERE}
    assert options.output == tmp_path / "r"
