"""The screen, line by line, at 80 columns."""

import re
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console
from rich.screen import Screen

from isthmus.cli.status.model import Answer, Origin, Part, Status
from isthmus.cli.status.screen import Fitted, screen
from isthmus.cli.status.verdict import problems
from tests.cli.status.samples import TROUBLED, WELL

ALL_IS_WELL = """\
isthmus all is well  22:13:20 UTC

Services                                 Up   Memory  Restarts
nats                        ready       2 h  12.4 MB         0
s3                          ready       2 h   984 MB         0
demo-pacs                   running     2 h   106 MB         0
wado-1                      ready       2 h  91.0 MB         0
wado-2                      ready      95 s  90.0 MB         2
gateway                     ready       2 h  27.3 MB         0

Origins                                    Echo  Circuit  Associations  Waiting
pacs                        answers     25.3 ms   closed        2 of 4        0
cloud                       answers    130.0 ms   closed             -        -

Queues                                 Waiting  In work  Oldest  Redelivered
retrieve pacs interactive                    0        1     3 s            0
retrieve pacs bulk                          12        1     2 h            0
webhooks ris                                 3        1    50 s            1

DIMSE clients               3 associations
Cache                       2.5 GB of 50.0 GB, 412 studies
Streams                     14.2 MB
Dead letters                0

Last errors  none
"""
MUCH_IS_NOT = """\
isthmus S3 is away: S3 list: Connection refused; look at: isthmus doctor (and 7
problems more)  22:13:20 UTC

Services                                Up   Memory  Restarts
nats                        ready      2 h  12.4 MB         0
s3                          away       2 h  84.3 MB         0
wado                        not ready  2 h  91.0 MB         0
scp                         away         -        -         4
gateway                     ready      2 h  27.3 MB         0
    s3: S3 list: Connection refused
    wado: S3 does not answer it
    scp: ended with exit code 1; it is started again

Origins                                Echo  Circuit  Associations  Waiting
pacs                        away          -     open        0 of 4        2
a-name-that-is-much-longe…  silent        -        -             -        -
    pacs: 'pacs' failed 3 times in a row, the last time so: The origin cannot be
    reached (pacs.example.org:104: connection refused)
    a-name-that-is-much-longer-than-its-column-is: no answer for 2 s

Queues                                 Waiting  In work  Oldest  Redelivered
retrieve pacs interactive   not taken        2        0   2 min            0

DIMSE clients               -
Cache                       - of 50.0 GB, - studies
Streams                     95 B of 100 B
Dead letters                3

Last errors
 40 s ago  wado         cannot read detail=S3 list: Connection refused xxxxxxxx…
  9 s ago  scp          ended with exit code 1
"""


def drawn(status: Status, *, width: int = 80) -> list[str]:
    console = Console(width=width, force_terminal=False, highlight=False)
    with console.capture() as captured:
        console.print(screen(status, problems(status)))
    return [line.rstrip() for line in captured.get().splitlines()]


def fitted(status: Status, *, height: int) -> list[str]:
    """What a terminal shows that is so high."""
    console = Console(width=80, height=height, file=StringIO(), force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(Screen(Fitted(status, problems(status))))
    lines = [line.rstrip() for line in captured.get().split("\n")]
    assert len(lines) == height
    return [line for line in lines if line]


def test_in_a_low_terminal_the_services_that_are_well_make_room() -> None:
    whole = [line for line in drawn(TROUBLED) if line]
    assert fitted(TROUBLED, height=len(drawn(TROUBLED))) == whole
    low = fitted(TROUBLED, height=len(drawn(TROUBLED)) - 1)
    assert [line for line in whole if line not in low] == [
        line for line in whole if line.startswith(("nats ", "gateway "))
    ]
    assert "2 that are well" in low


def test_what_has_no_room_at_all_is_told() -> None:
    low = fitted(TROUBLED, height=12)
    assert low[0].startswith("isthmus S3 is away")
    assert re.fullmatch(r"\.\.\. \d+ lines more: isthmus status, without --watch", low[-1])


def test_where_all_is_well() -> None:
    assert drawn(WELL) == ALL_IS_WELL.splitlines()


def test_where_much_is_not() -> None:
    assert drawn(TROUBLED) == MUCH_IS_NOT.splitlines()


@pytest.mark.parametrize("width", [80, 100, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(len(line) for line in drawn(TROUBLED, width=width)) <= width


def test_a_circuit_of_which_nobody_tells_is_not_shown_as_closed() -> None:
    one = Origin("pacs", "dimse", Answer.ANSWERS, 25.34)
    assert ["pacs", "answers", "25.3", "ms", "-", "-", "-"] in [
        line.split() for line in drawn(replace(WELL, origins=[one]))
    ]


def test_what_cannot_be_told_says_why() -> None:
    unknown = {part: f"why {part}" for part in Part}
    lines = drawn(replace(WELL, queues=[], storage=None, errors=None, unknown=unknown))
    assert "Queues  -" in lines
    assert "Last errors  -" in lines
    for line in ("Streams                     -", "Dead letters                -"):
        assert line in lines
    for part in set(Part) - {Part.NATS}:  # that NATS is away the services say
        assert f"    not known: why {part}" in lines
