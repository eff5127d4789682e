"""Logs: structlog over stdlib logging, one line an event, to standard error.

Patient data never gets here, also not by way of a library: of an exception the type and the frames are
shown, and the text only of an `IsthmusError`, which is ours; of a warning the category and the place, never
the text, because pydicom's quote values; nothing that pydicom logs; of pynetdicom warnings and errors; no
access log, because paths and queries hold UIDs and matching keys; of what exports telemetry the same line
once in a minute, without what it quotes.
"""

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import PurePath
from time import monotonic
from types import TracebackType
from typing import Final, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from isthmus.common.errors import IsthmusError
from isthmus.common.telemetry.spans import current_ids

QUIETED: Mapping[str, int] = {
    "asyncio": logging.WARNING,
    "hpack": logging.WARNING,  # headers of requests and answers, at DEBUG
    "httpcore": logging.WARNING,  # headers of answers, at DEBUG
    "httpcore2": logging.WARNING,
    "httpx": logging.WARNING,  # URLs, at INFO
    "httpx2": logging.WARNING,
    "nats": logging.WARNING,
    "pydicom": logging.CRITICAL + 1,  # values, at any level
    "pynetdicom": logging.WARNING,  # identifiers, at INFO
    "urllib3": logging.ERROR,  # URLs, at WARNING
    "uvicorn.access": logging.CRITICAL + 1,  # URLs
    # Its start and stop, which we tell ourselves; and at WARNING whatever is sent that is no HTTP: with that
    # anybody could fill the disk.
    "uvicorn.error": logging.ERROR,
}

TELEMETRY: Final = "opentelemetry."
SAID_SECONDS: Final = 60.0


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Give a module's logger; its methods take an event and what belongs to it, as keywords."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def configure_logging(service: str, level: str = "INFO") -> None:
    """Send all logs of the process to standard error, by `structlog` and by `logging` alike.

    JSON lines, or one coloured line an event where standard error is a terminal; each with `timestamp`,
    `level`, `logger`, `event`, `service` and, inside a span, `trace_id` and `span_id`.
    """

    def add_service(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_service,
        _add_trace_id,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = _Handler()
    handler.addFilter(_without_foreign_texts)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _describe_exception,
                *_renderers(handler.stream.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    for before in list(root.handlers):
        root.removeHandler(before)
        before.close()
    root.addHandler(handler)
    root.setLevel(level)
    for name, least in QUIETED.items():
        logging.getLogger(name).setLevel(least)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    warnings.showwarning = _log_warning
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name of the base
        """Say that a record is lost, and nothing of it: the base prints it, and the texts of exceptions."""
        with suppress(OSError, ValueError):  # the stream is closed
            self.stream.write(_to_json({"event": "a log record is lost", "logger": record.name}) + "\n")


def _renderers(terminal: bool) -> list[Processor]:
    if terminal:
        return [structlog.dev.ConsoleRenderer(colors=True, pad_event_to=30)]
    return [structlog.processors.JSONRenderer(serializer=_to_json)]


def _to_json(event: EventDict, **_: object) -> str:
    # What JSON does not know shows its type: a repr may hold anything.
    return orjson.dumps(event, default=lambda value: type(value).__name__).decode()


def _add_trace_id(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    current = current_ids()
    if current is not None:
        event["trace_id"], event["span_id"] = current
    return event


def _describe_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by what may be shown of it."""
    exc_info = event.pop("exc_info", None)
    error = (
        sys.exc_info()[1] if exc_info is True else exc_info[1] if isinstance(exc_info, tuple) else exc_info
    )
    if isinstance(error, BaseException):
        event["error"] = " from ".join(_name(link) for link in _chain(error))
        event["frames"] = _frames(error)
    return event


def _name(error: BaseException) -> str:
    name = type(error).__qualname__
    return f"{name}: {error.detail}" if isinstance(error, IsthmusError) else name


def _chain(error: BaseException | None) -> list[BaseException]:
    links: list[BaseException] = []
    while error is not None and error not in links:
        links.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return links


def _frames(error: BaseException) -> str:
    """Give the innermost eight frames, as "file:line function < ..."."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return " < ".join(
        f"{'/'.join(PurePath(frame.filename).parts[-2:])}:{frame.lineno} {frame.name}"
        for frame in reversed(frames)
    )


def _without_foreign_texts(record: logging.LogRecord) -> bool:
    """Stop what is quieted, and take the texts of exceptions out of what libraries log otherwise."""
    # Not by the loggers' levels alone: pydicom sets its own again when it is imported.
    if any(
        record.levelno < least and (record.name == name or record.name.startswith(f"{name}."))
        for name, least in QUIETED.items()
    ):
        return False
    if record.name.startswith(TELEMETRY):
        return _is_new(record)
    if isinstance(record.msg, BaseException):  # pynetdicom: LOGGER.exception(exc)
        record.msg = _name(record.msg)
    elif record.name == "asyncio":  # the first line says what happened, the others quote tasks and exceptions
        record.msg = record.getMessage().partition("\n")[0]
        record.args = None
    if isinstance(record.args, tuple):
        record.args = tuple(_name(arg) if isinstance(arg, BaseException) else arg for arg in record.args)
    handled = sys.exc_info()[1]
    if isinstance(record.msg, str) and handled is not None and not isinstance(handled, IsthmusError):
        text = str(handled)
        if text and text in record.getMessage():  # LOGGER.error(str(exc))
            record.msg = f"{type(handled).__qualname__} at {record.filename}:{record.lineno}"
            record.args = None
    return True


_said: dict[str, float] = {}
"""When something was said of the export of telemetry."""


def _is_new(record: logging.LogRecord) -> bool:
    """Let each thing that the export says through once in a minute, without its values.

    A collector that is away, or full, would fill the log; what it answers, or of which attribute it says that
    it is none, may hold anything.
    """
    said, now = f"{record.name}: {record.msg}", monotonic()
    if now - _said.get(said, -SAID_SECONDS) < SAID_SECONDS:
        return False
    _said[said] = now
    record.msg = f"telemetry: {record.msg}" if isinstance(record.msg, str) else "telemetry is not exported"
    record.args = None
    return True


_warned: set[tuple[str, str, int]] = set()


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Log each place that warns once; the text stays out."""
    place = (category.__name__, filename, lineno)
    if place not in _warned:
        _warned.add(place)
        where = f"{'/'.join(PurePath(filename).parts[-2:])}:{lineno}"
        logging.getLogger("py.warnings").warning("%s at %s", category.__name__, where)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("isthmus").critical("uncaught exception", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(uncaught: threading.ExceptHookArgs) -> None:
    if uncaught.exc_value is not None and not issubclass(uncaught.exc_type, SystemExit):
        _log_uncaught(uncaught.exc_type, uncaught.exc_value, uncaught.exc_traceback)
