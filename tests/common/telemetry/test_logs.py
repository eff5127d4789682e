"""What a process logs: JSON lines with service and trace, and never a value from a data set.

Each test runs a small program of its own, because logging belongs to the whole process.
"""

import json
import os
import pty
import subprocess
import sys

import pytest

from tests.waiting import PATIENCE

PATIENT = "DOE^JOHN"
BEGIN = """
import logging, sys, warnings
from isthmus.common.errors import StoreUnavailable
from isthmus.common.telemetry import configure_logging, extract, get_logger, span
configure_logging("wado")
log = get_logger("isthmus.wado")
"""


def logged(program: str) -> list[dict[str, str]]:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert PATIENT not in done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_of_an_exception_the_types_and_the_frames_are_shown_and_no_foreign_text() -> None:
    (line,) = logged("""
def decode():
    raise ValueError("DOE^JOHN is no date")
try:
    try:
        decode()
    except ValueError as error:
        raise StoreUnavailable("S3 put: 503") from error
except StoreUnavailable:
    log.exception("failed", attempt="1")
""")
    assert line["error"] == "StoreUnavailable: S3 put: 503 from ValueError"
    assert "<string>:" in line["frames"]
    assert (line["event"], line["level"], line["attempt"]) == ("failed", "error", "1")


def test_an_uncaught_exception_is_logged_without_its_text() -> None:
    (line,) = logged("raise ValueError('DOE^JOHN')")
    assert (line["event"], line["error"]) == ("uncaught exception", "ValueError")


def test_what_we_say_ourselves_while_an_exception_is_handled_is_said() -> None:
    (line,) = logged("""
try:
    raise ValueError("a thing")
except ValueError as error:
    log.warning("a thing happened", error=type(error).__name__)
""")
    assert (line["event"], line["error"]) == ("a thing happened", "ValueError")


def test_of_a_record_that_cannot_be_formatted_nothing_is_shown() -> None:
    (line,) = logged("""
class Unprintable:
    def __str__(self):
        raise ValueError("DOE^JOHN")
logging.getLogger("library").warning("%s", Unprintable())
""")
    assert (line["event"], line["logger"]) == ("a log record is lost", "library")


def test_one_that_ends_a_thread_is_too() -> None:
    (line,) = logged("""
import threading
def run():
    raise ValueError("DOE^JOHN")
thread = threading.Thread(target=run)
thread.start()
thread.join()
""")
    assert (line["event"], line["error"]) == ("uncaught exception", "ValueError")


@pytest.mark.parametrize(
    "statement",
    [
        "logger.exception(error)",
        "logger.error(str(error))",
        "logger.error(f'failed: {error}')",
        "logger.error('failed: %s', error)",
    ],
)
def test_a_library_that_logs_an_exceptions_text_does_not_get_it_out(statement: str) -> None:
    (line,) = logged(f"""
logger = logging.getLogger("pynetdicom.acse")
try:
    raise ValueError("DOE^JOHN")
except ValueError as error:
    {statement}
""")
    assert "ValueError" in line["event"]


def test_warnings_show_their_place_once_and_never_their_text() -> None:
    (line,) = logged("""
from pydicom.dataset import Dataset
for value in ("DOE^JOHN", "DOE^JOHN2"):
    Dataset().StudyDate = value
""")
    assert line["logger"] == "py.warnings"
    assert line["event"].startswith("UserWarning at ")


def test_a_tasks_exception_that_nobody_fetched_is_not_quoted() -> None:
    (line,) = logged("""
import asyncio, gc
async def fail():
    raise ValueError("DOE^JOHN")
async def main():
    task = asyncio.create_task(fail())
    await asyncio.wait([task])
asyncio.run(main())
gc.collect()
""")
    assert line["event"] == "Task exception was never retrieved"
    assert line["error"] == "ValueError"


def test_a_value_that_json_does_not_know_shows_its_type() -> None:
    (line,) = logged("""
class Name:
    def __repr__(self): return "DOE^JOHN"
log.info("seen", name=Name())
""")
    assert line["name"] == "Name"


def test_what_clients_say_of_urls_and_headers_is_silent_at_every_level() -> None:
    """A redirect may name our URL again, with the user, the password and the token that are in it."""
    assert (
        logged("""
logging.getLogger().setLevel(logging.DEBUG)
for name in ("httpcore", "httpcore2", "httpx", "httpx2"):
    logging.getLogger(f"{name}.http11").debug("Location: https://user:secret@ai.example.org/?token=secret")
    logging.getLogger(name).info("POST https://user:secret@ai.example.org/?token=secret")
""")
        == []
    )


def test_access_logs_and_identifiers_are_silent() -> None:
    assert (
        logged("""
logging.getLogger("uvicorn.access").info('GET /studies?PatientName=DOE^JOHN')
logging.getLogger("urllib3.connectionpool").warning('Retrying /studies/DOE^JOHN')
logging.getLogger("pynetdicom.events").info('(0010,0010) PN DOE^JOHN')
logging.getLogger("pydicom").warning("Invalid value for VR PN: 'DOE^JOHN'")
""")
        == []
    )


def test_what_the_export_of_telemetry_says_is_said_once_in_a_minute_without_what_it_quotes() -> None:
    lines = logged("""
exporter = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")
for attempt in range(1000):
    exporter.error("Failed to export spans batch code: %s, reason: %s", 500, "no room for DOE^JOHN")
    try:
        raise ValueError("DOE^JOHN")
    except ValueError:
        exporter.exception("Exception while exporting")
logging.getLogger("opentelemetry.attributes").warning("Invalid type for '%s'", "DOE^JOHN")
""")
    assert [line["level"] for line in lines] == ["error", "error", "warning"]
    assert lines[0]["event"] == "telemetry: Failed to export spans batch code: %s, reason: %s"
    assert lines[1]["error"] == "ValueError"


def test_a_collector_that_is_away_is_hardly_told_of() -> None:
    lines = logged("""
import os
os.environ["OTEL_EXPORTER_OTLP_TIMEOUT"] = "0.2"
from isthmus.common.telemetry import Destination, setup
telemetry = setup("wado", Destination("http://127.0.0.1:1"))
for batch in range(5):
    with span("work"):
        pass
    telemetry.flush()
telemetry.shutdown(10)
""")
    assert lines
    assert len({line["event"] for line in lines}) == len(lines) <= 8


def test_nobody_fills_the_log_with_what_is_no_http() -> None:
    assert (
        logged("""
from isthmus.common.config.limits import Limits
from isthmus.common.service.protocol import bounded
import asyncio, uvicorn
async def app(scope, receive, send): pass
async def main():
    config = uvicorn.Config(app, http=bounded(Limits()), log_config=None, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    config.load()
    serving = await asyncio.get_running_loop().create_server(
        lambda: config.http_protocol_class(config=config, server_state=server.server_state, app_state={}),
        "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*serving.sockets[0].getsockname())
    writer.write(b"\\0 no HTTP\\r\\n\\r\\n")
    assert b" 400 " in await reader.readline()
asyncio.run(main())
""")
        == []
    )


def test_every_line_names_service_time_and_inside_a_span_the_trace() -> None:
    outside, inside, library = logged("""
log.info("outside")
incoming = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
with span("work", context=extract(incoming)):
    log.info("inside")
    logging.getLogger("uvicorn.error").error("Started %s", "server")
""")
    assert outside["service"] == inside["service"] == library["service"] == "wado"
    assert outside["timestamp"].endswith("Z")
    assert "trace_id" not in outside
    assert inside["trace_id"] == library["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert inside["span_id"] == library["span_id"] == "b7ad6b7169203331"  # nothing is set up to make another
    assert library["event"] == "Started server"
    assert library["logger"] == "uvicorn.error"


def test_on_a_terminal_an_event_is_one_coloured_line() -> None:
    master, terminal = pty.openpty()
    program = "try: 1/0\nexcept ZeroDivisionError: log.exception('failed', origin='pacs')"
    subprocess.run([sys.executable, "-c", BEGIN + program], stderr=terminal, timeout=PATIENCE, check=True)
    os.close(terminal)
    shown = os.read(master, 65536).decode()
    os.close(master)
    assert len(shown.splitlines()) == 1
    assert "\x1b[" in shown
    assert "ZeroDivisionError" in shown
