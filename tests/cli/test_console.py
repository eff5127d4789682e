import os
import re
from contextlib import suppress
from io import StringIO

import pytest

from isthmus.cli.console import Console


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: StringIO, text: str) -> str:
    Console(stream).line("wado", text)
    return stream.getvalue()


def test_a_line_that_is_no_log_event_is_shown_as_it_is() -> None:
    assert re.fullmatch(r"\d\d:\d\d:\d\d wado        \{not json\n", shown(StringIO(), "{not json"))


def test_an_event_is_one_line_with_what_belongs_to_it() -> None:
    line = shown(
        StringIO(), '{"event": "body\\nbroken off", "level": "error", "service": "wado", "missing": 3}'
    )
    assert line.endswith("wado        error: body broken off missing=3\n")


def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31merror: broken\x1b[0m" in shown(Terminal(), '{"event": "broken", "level": "error"}')


def test_a_terminal_that_wants_no_colours_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in shown(Terminal(), '{"event": "broken", "level": "error"}')


def test_a_line_that_nobody_reads_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    try:
        Console(stream).line("scp", "listening")
        with pytest.raises(BrokenPipeError):
            stream.flush()
    finally:
        with suppress(BrokenPipeError):
            stream.close()
