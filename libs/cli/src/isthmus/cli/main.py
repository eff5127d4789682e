"""The `isthmus` command; it exits with 0 if all went well, 1 if not, 2 if command or settings are wrong."""

import asyncio
import re
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from isthmus.cli import cache, dead, keys, webhooks
from isthmus.cli.audit import Wanted, show_audit
from isthmus.cli.default_commands import ListByDefault, ShowByDefault
from isthmus.cli.echo import echo
from isthmus.cli.events import events, since_when
from isthmus.cli.find import FindLevel, find
from isthmus.cli.get import get
from isthmus.cli.links import link
from isthmus.cli.output import write_error, write_line
from isthmus.cli.process import StartError
from isthmus.cli.run_file import InUse
from isthmus.cli.store import store
from isthmus.cli.subscribers import rewind
from isthmus.cli.trace import trace
from isthmus.cli.up import up
from isthmus.cli.viewer import viewer
from isthmus.common.dicom.uids import check_uid
from isthmus.common.errors import InvalidParameter, IsthmusError, SettingsError
from isthmus.common.messages.audit import AuditEvent, Outcome
from isthmus.common.messages.events import EventType
from isthmus.common.telemetry import configure_logging

FAILED: Final = 1
USAGE: Final = 2

_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")

app = typer.Typer(
    name="isthmus",
    help="A gateway between DICOMweb and DIMSE.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # it would show the values of variables
)

cache_app = typer.Typer(cls=ShowByDefault, help="What is held of the origins in S3: show it, or clear it.")
app.add_typer(cache_app, name="cache")
dead_app = typer.Typer(cls=ListByDefault, help="What could not be forwarded or told, and was given up.")
app.add_typer(dead_app, name="dead")
webhooks_app = typer.Typer(cls=ShowByDefault, help="How webhooks are doing: show them, or let one go on.")
app.add_typer(webhooks_app, name="webhooks")

key_app = typer.Typer(cls=ListByDefault, help="API keys for machines: make, list and revoke them.")
app.add_typer(key_app, name="key")

Data = Annotated[Path, typer.Option("--data", help="The folder in which the system keeps its data.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
LetterNumbers = Annotated[
    list[int] | None, typer.Argument(metavar="[NUMBER]...", help="Of dead letters.", min=1)
]
AllLetters = Annotated[bool, typer.Option("--all", help="All of them, or with --to all to one.")]
LettersTo = Annotated[
    str | None, typer.Option("--to", metavar="NAME", help="Only those to this origin or webhook.")
]
KeyName = Annotated[str, typer.Argument(metavar="NAME", help="The name of a key.")]
OriginArgument = Annotated[str, typer.Argument(metavar="ORIGIN", help="The name of an origin.")]
OriginOrAllArgument = Annotated[
    str, typer.Argument(metavar="ORIGIN", help="The name of an origin, or all: all of them as one.")
]

DEFAULT_CONFIG: Final = Path("isthmus.toml")
DEFAULT_DATA: Final = Path(".isthmus")


@app.command("up")
def _up(
    config: Annotated[
        Path | None, typer.Option("--config", help="The settings, else isthmus.toml here if there is one.")
    ] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Run the whole system on this machine, until Ctrl-C."""
    with _exit_codes():
        up(config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None), data)


@app.command("viewer")
def _viewer(data: Data = DEFAULT_DATA) -> None:
    """Fetch the OHIF viewer (from npm); `isthmus up` then serves it at /."""
    with _exit_codes():
        write_line(f"the viewer is in {viewer(data)}")


@app.command("echo")
def _echo(origin: OriginArgument, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Ask whether an origin answers, as it speaks: by C-ECHO, DICOMweb or S3."""
    _finish(echo(data, origin, as_json=as_json))


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
    _finish(find(data, origin, pairs, level=level, limit=limit, include=include or [], as_json=as_json))


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
    _finish(get(data, origin, study, series, instance, output=output, as_json=as_json))


@app.command("store")
def _store(
    origin: OriginOrAllArgument,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files, and folders of files.")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Store files in an origin (STOW-RS)."""
    _finish(store(data, origin, paths, as_json=as_json))


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
        _finish(events(data, since=start, kind=kind, origin=origin, follow=follow, as_json=as_json))


@app.command("rewind")
def _rewind(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of one of access.subscribers.")],
    since: Annotated[str, typer.Option(metavar="1h|TIME", help="So long ago (90s, 30m, 1h, 2d), or a time.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Have a subscriber hear again of what arrived since a time."""
    _finish(rewind(data, name, _time(since)))


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
        _finish(show_audit(data, wanted, since=start, follow=follow, as_json=as_json))


@app.command("trace")
def _trace(
    trace_id: Annotated[str, typer.Argument(metavar="TRACE_ID", help="32 hexadecimal digits.")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show what happened in one request, from HTTP to the origin."""
    if not _TRACE_ID.fullmatch(trace_id):
        raise typer.BadParameter("a trace id has 32 hexadecimal digits, in lower case")
    with _exit_codes():
        if not trace(data, trace_id, as_json=as_json):
            raise typer.Exit(FAILED)


@cache_app.command("show")
def _cache_show(
    studies: Annotated[bool, typer.Option("--studies", help="List the studies too.")] = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show how much is held of each origin (what `isthmus cache` alone does)."""
    _finish(cache.show(data, studies=studies, as_json=as_json))


@cache_app.command("clear")
def _cache_clear(
    origin: Annotated[str | None, typer.Argument(metavar="ORIGIN", help="The name of an origin.")] = None,
    study: Annotated[str | None, typer.Argument(metavar="STUDY", help="Study Instance UID.")] = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Delete what is held: of all origins, an origin, or a study; it is fetched again when it is wanted."""
    _finish(cache.clear(data, origin, study, as_json=as_json))


@webhooks_app.command("show")
def _webhooks_show(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Show what each webhook took, and what waits for it (what `isthmus webhooks` alone does)."""
    _finish(webhooks.show(data, as_json=as_json))


@webhooks_app.command("resume")
def _webhooks_resume(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of a webhook.")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Send events again to a webhook that was stopped, because it answered 410 Gone."""
    _finish(webhooks.resume(data, name, as_json=as_json))


@dead_app.command("list")
def _dead_list(to: LettersTo = None, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """List the dead letters (what `isthmus dead` alone does)."""
    _finish(dead.list_letters(data, to, as_json=as_json))


@dead_app.command("show")
def _dead_show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Of a dead letter.", min=1)],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show why something was given up, and what it is; never the patient's data."""
    _finish(dead.show(data, number, as_json=as_json))


@dead_app.command("replay")
def _dead_replay(
    numbers: LetterNumbers = None,
    everything: AllLetters = False,
    to: LettersTo = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Try again what was given up, with all its attempts."""
    _check_letters(numbers, to, everything=everything)
    _finish(dead.replay(data, numbers or [], to, everything=everything, as_json=as_json))


@dead_app.command("drop")
def _dead_drop(
    numbers: LetterNumbers = None,
    everything: AllLetters = False,
    to: LettersTo = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Throw dead letters away for good; a study that lacks something elsewhere stays in its inbox."""
    _check_letters(numbers, to, everything=everything)
    _finish(dead.drop(data, numbers or [], to, everything=everything, as_json=as_json))


@key_app.command("create")
def _key_create(
    name: KeyName,
    days: Annotated[int | None, typer.Option(help="After so many days it ends.", min=1, max=36_500)] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Make a key and show it, once: on standard output, alone in a line."""
    if not keys.is_name(name):
        raise typer.BadParameter("a name has 1 to 63 letters, digits, dots, hyphens and underscores")
    _finish(keys.create(data, name, days))


@key_app.command("list")
def _key_list(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """List the keys, and when each was used last (what `isthmus key` alone does)."""
    _finish(keys.list_keys(data, as_json=as_json))


@key_app.command("revoke")
def _key_revoke(name: KeyName, data: Data = DEFAULT_DATA) -> None:
    """End a key: within five seconds nobody takes it any more."""
    _finish(keys.revoke(data, name))


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
    _finish(link(data, study, origin, hours=hours, as_viewer=as_viewer, as_json=as_json))


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


def _check_letters(numbers: list[int] | None, to: str | None, *, everything: bool) -> None:
    if bool(numbers) == everything:
        raise typer.BadParameter("name dead letters by their numbers, or all of them by --all")
    if to is not None and not everything:
        raise typer.BadParameter("--to goes with --all")


def _finish(command: Coroutine[None, None, bool | None]) -> None:
    with _exit_codes():
        if asyncio.run(command) is False:
            raise typer.Exit(FAILED)


@contextmanager
def _exit_codes() -> Iterator[None]:
    try:
        yield
    except (SettingsError, InUse) as error:
        write_error(error.detail)
        raise typer.Exit(USAGE) from None
    except IsthmusError as error:
        write_error(error.detail)
        raise typer.Exit(FAILED) from None
    except StartError as error:
        write_error(f"isthmus cannot run: {error}")
        raise typer.Exit(FAILED) from None


if __name__ == "__main__":
    run()
