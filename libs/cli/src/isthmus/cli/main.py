"""The `isthmus` command; it exits with 0 if all went well, 1 if not, 2 if command or settings are wrong."""

import asyncio
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from isthmus.cli.audit import Wanted, show_audit
from isthmus.cli.containers.commands import bucket_command, secrets_command
from isthmus.cli.echo import echo
from isthmus.cli.events import events, since_when
from isthmus.cli.exits import FAILED, exit_codes, finish
from isthmus.cli.find import FindLevel, find
from isthmus.cli.get import get
from isthmus.cli.groups import cache_app, dead_app, key_app, webhooks_app
from isthmus.cli.links import link
from isthmus.cli.options import (
    DEFAULT_CONFIG,
    DEFAULT_DATA,
    AsJson,
    Data,
    OriginArgument,
    OriginOrAllArgument,
)
from isthmus.cli.output import write_line
from isthmus.cli.status import status
from isthmus.cli.store import store
from isthmus.cli.subscribers import rewind
from isthmus.cli.trace import trace
from isthmus.cli.viewer import viewer
from isthmus.common.dicom.uids import check_uid
from isthmus.common.errors import InvalidParameter
from isthmus.common.messages.audit import AuditEvent, Outcome
from isthmus.common.messages.events import EventType
from isthmus.common.telemetry import configure_logging

_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")

app = typer.Typer(
    name="isthmus",
    help="A gateway between DICOMweb and DIMSE.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # it would show the values of variables
)

app.add_typer(cache_app, name="cache")
app.add_typer(dead_app, name="dead")
app.add_typer(webhooks_app, name="webhooks")
app.add_typer(key_app, name="key")
app.command("secrets")(secrets_command)
app.command("bucket")(bucket_command)


@app.command("up")
def _up(
    config: Annotated[
        Path | None, typer.Option("--config", help="The settings, else isthmus.toml here if there is one.")
    ] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Run the whole system on this machine, until Ctrl-C."""
    from isthmus.cli.up import up  # noqa: PLC0415 - all that is embedded

    with exit_codes():
        up(config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None), data)


@app.command("doctor")
def _doctor(
    origins: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ORIGIN]...", help="Only these, and the settings; without any, everything."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            envvar="ISTHMUS_CONFIG",
            help="The settings, else isthmus.toml here if there is one.",
        ),
    ] = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Look for what is wrong with an installation: why, at which side, and what to change there.

    Each PACS is asked by C-ECHO, C-FIND, and C-GET and C-MOVE of one instance, of which nothing is shown.
    """
    from isthmus.cli.doctor.command import doctor  # noqa: PLC0415 - DIMSE and pixels, for this command alone

    chosen = config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    with exit_codes():
        code = asyncio.run(doctor(chosen, data, origins or (), as_json=as_json))
    if code:
        raise typer.Exit(code)


@app.command("viewer")
def _viewer(data: Data = DEFAULT_DATA) -> None:
    """Fetch the OHIF viewer (from npm); `isthmus up` then serves it at /."""
    with exit_codes():
        write_line(f"the viewer is in {viewer(data)}")


@app.command("echo")
def _echo(origin: OriginArgument, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Ask whether an origin answers, as it speaks: by C-ECHO, DICOMweb or S3."""
    finish(echo(data, origin, as_json=as_json))


@app.command("find")
def _find(
    origin: OriginOrAllArgument,
    keys: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Matching keys: PatientName=A*, StudyDate=2024-, ..."),
    ] = None,
    level: Annotated[FindLevel, typer.Option(help="What to search for.")] = FindLevel.STUDY,
    limit: Annotated[int | None, typer.Option(min=0, help="Most matches to give.")] = None,
    include: Annotated[list[str] | None, typer.Option(help="A further attribute; may be repeated.")] = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Search an origin, or all of them (QIDO-RS)."""
    pairs = [_key(text) for text in keys or []]
    finish(find(data, origin, pairs, level=level, limit=limit, include=include or [], as_json=as_json))


@app.command("get")
def _get(
    origin: OriginOrAllArgument,
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Study Instance UID.")],
    series: Annotated[str | None, typer.Argument(metavar="[SERIES", help="Series Instance UID.")] = None,
    instance: Annotated[str | None, typer.Argument(metavar="[INSTANCE]]", help="SOP Instance UID.")] = None,
    output: Annotated[Path, typer.Option("--output", help="The folder for the files.")] = Path(),
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Retrieve a study, series or instance into files (WADO-RS), each as the origin holds it."""
    finish(get(data, origin, study, series, instance, output=output, as_json=as_json))


@app.command("store")
def _store(
    origin: OriginOrAllArgument,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files, and folders of files.")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Store files in an origin (STOW-RS)."""
    finish(store(data, origin, paths, as_json=as_json))


@app.command("events")
def _events(
    since: Annotated[
        str | None, typer.Option(metavar="1h|TIME", help="From so long ago on (90s, 30m, 1h, 2d), or a time.")
    ] = None,
    kind: Annotated[EventType | None, typer.Option("--type", help="Only those of one type.")] = None,
    origin: Annotated[str | None, typer.Option(help="Only those of one inbox.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Wait for more, until Ctrl-C, or end with the last.")
    ] = True,
    data: Data = DEFAULT_DATA,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each event whole, in a line: with patient data.")
    ] = False,
) -> None:
    """Show what arrived: from now on, or since when it is said; in lines without patient data but UIDs.

    With --no-follow and without --since: all events that are kept.
    """
    start = _since(since)
    with suppress(KeyboardInterrupt):  # how following ends
        finish(events(data, since=start, kind=kind, origin=origin, follow=follow, as_json=as_json))


@app.command("rewind")
def _rewind(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of one of access.subscribers.")],
    since: Annotated[str, typer.Option(metavar="1h|TIME", help="So long ago (90s, 30m, 1h, 2d), or a time.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Have a subscriber hear again of what arrived since a time."""
    finish(rewind(data, name, _time(since)))


@app.command("audit")
def _audit(
    patient: Annotated[str | None, typer.Option(metavar="ID", help="Only about this Patient ID.")] = None,
    who: Annotated[
        str | None, typer.Option(metavar="WHO", help="Only of one user, key, AE title or address.")
    ] = None,
    study: Annotated[str | None, typer.Option(metavar="UID", help="Only about this study.")] = None,
    origin: Annotated[str | None, typer.Option(help="Only of one origin.")] = None,
    event: Annotated[AuditEvent | None, typer.Option(help="Only events of one kind.")] = None,
    outcome: Annotated[Outcome | None, typer.Option(help="Only what came out so.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="1h|TIME", help="From so long ago on (90s, 30m, 1h, 2d), or a time.")
    ] = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Wait for more, until Ctrl-C; without --since only for what is new."),
    ] = False,
    data: Data = DEFAULT_DATA,
    as_json: Annotated[bool, typer.Option("--json", help="Print each record whole, in a line.")] = False,
) -> None:
    """Show who did what with which study: with patients' identifiers. That you look is recorded too."""
    wanted = Wanted(patient, who, study, origin, event, outcome)
    start = _since(since)
    with suppress(KeyboardInterrupt):  # how following ends
        finish(show_audit(data, wanted, since=start, follow=follow, as_json=as_json))


@app.command("status")
def _status(
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")
    ] = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show how all parts are doing, on one screen; the exit code is 0 if all is well."""
    configure_logging("isthmus", "CRITICAL")  # what is wrong is on the screen
    with suppress(KeyboardInterrupt):  # how watching ends
        finish(status(data, watch=watch, as_json=as_json))


@app.command("trace")
def _trace(
    trace_id: Annotated[str, typer.Argument(metavar="TRACE_ID", help="32 hexadecimal digits.")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show what happened in one request, from HTTP to the origin."""
    if not _TRACE_ID.fullmatch(trace_id):
        raise typer.BadParameter("a trace id has 32 hexadecimal digits, in lower case")
    with exit_codes():
        if not trace(data, trace_id, as_json=as_json):
            raise typer.Exit(FAILED)


@app.command("link")
def _link(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Study Instance UID.")],
    origin: Annotated[str | None, typer.Option(help="Where it is; without it, where it is found.")] = None,
    hours: Annotated[float, typer.Option(help="For how long it holds.", min=0.01, max=8760)] = 8,
    as_viewer: Annotated[
        bool, typer.Option("--viewer", help="As the URL of a page, on which the viewer shows it.")
    ] = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Make a link that opens one study, and nothing else, to whoever has it."""
    try:
        check_uid(study, "STUDY")  # a search takes lists of UIDs, and none at all for any study
    except InvalidParameter as error:
        raise typer.BadParameter(error.detail) from None
    finish(link(data, study, origin, hours=hours, as_viewer=as_viewer, as_json=as_json))


def run() -> None:
    """Run the command line."""
    configure_logging("isthmus", "WARNING")  # to standard error: what is found goes to standard output
    app()


def _since(text: str | None) -> datetime | None:
    return None if text is None else _time(text)


def _time(text: str) -> datetime:
    try:
        return since_when(text, datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from None


def _key(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{text!r} is no KEY=VALUE")
    return name, value


if __name__ == "__main__":
    run()
