"""The commands that have commands of their own: `cache`, `webhooks`, `dead` and `key`."""

from typing import Annotated

import typer

from isthmus.cli import cache, dead, keys, webhooks
from isthmus.cli.default_commands import ListByDefault, ShowByDefault
from isthmus.cli.exits import finish
from isthmus.cli.options import DEFAULT_DATA, AsJson, Data

cache_app = typer.Typer(cls=ShowByDefault, help="What is held of the origins in S3: show it, or clear it.")
dead_app = typer.Typer(cls=ListByDefault, help="What could not be forwarded or told, and was given up.")
webhooks_app = typer.Typer(cls=ShowByDefault, help="How webhooks are doing: show them, or let one go on.")

key_app = typer.Typer(cls=ListByDefault, help="API keys for machines: make, list and revoke them.")

LetterNumbers = Annotated[
    list[int] | None, typer.Argument(metavar="[NUMBER]...", help="Of dead letters.", min=1)
]
AllLetters = Annotated[bool, typer.Option("--all", help="All of them, or with --to all to one.")]
LettersTo = Annotated[
    str | None, typer.Option("--to", metavar="NAME", help="Only those to this origin or webhook.")
]
KeyName = Annotated[str, typer.Argument(metavar="NAME", help="The name of a key.")]


@cache_app.command("show")
def _cache_show(
    studies: Annotated[bool, typer.Option("--studies", help="List the studies too.")] = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show how much is held of each origin (what `isthmus cache` alone does)."""
    finish(cache.show(data, studies=studies, as_json=as_json))


@cache_app.command("clear")
def _cache_clear(
    origin: Annotated[str | None, typer.Argument(metavar="ORIGIN", help="The name of an origin.")] = None,
    study: Annotated[str | None, typer.Argument(metavar="STUDY", help="Study Instance UID.")] = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Delete what is held: of all origins, an origin, or a study; it is fetched again when it is wanted."""
    finish(cache.clear(data, origin, study, as_json=as_json))


@webhooks_app.command("show")
def _webhooks_show(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Show what each webhook took, and what waits for it (what `isthmus webhooks` alone does)."""
    finish(webhooks.show(data, as_json=as_json))


@webhooks_app.command("resume")
def _webhooks_resume(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of a webhook.")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Send events again to a webhook that was stopped, because it answered 410 Gone."""
    finish(webhooks.resume(data, name, as_json=as_json))


@dead_app.command("list")
def _dead_list(to: LettersTo = None, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """List the dead letters (what `isthmus dead` alone does)."""
    finish(dead.list_letters(data, to, as_json=as_json))


@dead_app.command("show")
def _dead_show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Of a dead letter.", min=1)],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show why something was given up, and what it is; never the patient's data."""
    finish(dead.show(data, number, as_json=as_json))


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
    finish(dead.replay(data, numbers or [], to, everything=everything, as_json=as_json))


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
    finish(dead.drop(data, numbers or [], to, everything=everything, as_json=as_json))


@key_app.command("create")
def _key_create(
    name: KeyName,
    days: Annotated[int | None, typer.Option(help="After so many days it ends.", min=1, max=36_500)] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Make a key and show it, once: on standard output, alone in a line."""
    if not keys.is_name(name):
        raise typer.BadParameter("a name has 1 to 63 letters, digits, dots, hyphens and underscores")
    finish(keys.create(data, name, days))


@key_app.command("list")
def _key_list(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """List the keys, and when each was used last (what `isthmus key` alone does)."""
    finish(keys.list_keys(data, as_json=as_json))


@key_app.command("revoke")
def _key_revoke(name: KeyName, data: Data = DEFAULT_DATA) -> None:
    """End a key: within five seconds nobody takes it any more."""
    finish(keys.revoke(data, name))


def _check_letters(numbers: list[int] | None, to: str | None, *, everything: bool) -> None:
    if bool(numbers) == everything:
        raise typer.BadParameter("name dead letters by their numbers, or all of them by --all")
    if to is not None and not everything:
        raise typer.BadParameter("--to goes with --all")
