"""What the settings name and say: files with secrets and certificates, and rules without effect."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.findings import Side, Subject, Wrong
from isthmus.cli.doubtful_rules import doubtful_rules
from isthmus.cli.named_files import check_files
from isthmus.cli.readable_secrets import readable_secrets
from isthmus.cli.subscriber_users import subscribers_of
from isthmus.cli.system import listener_of
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.config.certificates import out_of_time, server_context
from isthmus.common.config.tls import ListenerTls, PeerTls
from isthmus.common.errors import SettingsError

_READABLE: Final = "correct the setting, or what the file holds; who runs Isthmus must be able to read it"


def examine_named(subject: Subject, settings: Settings) -> None:
    """Look into the files that settings name, and at the rules."""
    with subject.step("settings") as note:
        note.detail = f"origins: {len(settings.origins)}, rules: {len(settings.access.rules)}"
    _tell(subject, Cause.FILE_UNUSABLE, [*_unusable(settings)], _READABLE)
    renewed = "have it renewed, and put the new one in its place"
    _tell(subject, Cause.CERTIFICATE_OUT_OF_TIME, _untimely(settings), renewed)
    _tell(subject, Cause.RULE_WITHOUT_EFFECT, doubtful_rules(settings), "change the rule, or remove it")
    _tell(subject, Cause.SECRET_READABLE, readable_secrets(settings), "let its owner alone read it")


def unusable(problem: str) -> Wrong:
    """Say that a file that settings name cannot be used."""
    return Wrong(Cause.FILE_UNUSABLE, Side.OURS, problem, _READABLE)


def _tell(subject: Subject, cause: Cause, problems: Iterable[str], advice: str) -> None:
    for problem in problems:
        place = re.split(":| is ", problem, maxsplit=1)[0]
        with subject.step(place, goes_on=True):
            raise Wrong(cause, Side.OURS, problem, advice)


def _unusable(settings: Settings) -> Iterator[str]:
    """Complain about files that cannot be used, a line for each."""
    for check in (check_files, subscribers_of):
        try:
            check(settings)
        except SettingsError as error:
            yield from error.detail.splitlines()
    gateway = listener_of(settings.gateway)
    if gateway is not None:
        try:
            server_context(gateway)
        except ValueError as error:
            yield f"gateway.{error}"


def _untimely(settings: Settings) -> Iterator[str]:
    """Complain about certificates that do not hold now; what cannot be read is told of already."""
    for place, tls in _with_certificates(settings):
        try:
            complaints = [*out_of_time(tls)]
        except ValueError:
            continue
        yield from (f"{place}.{complaint}" for complaint in complaints)


def _with_certificates(settings: Settings) -> Iterator[tuple[str, PeerTls | ListenerTls]]:
    gateway = listener_of(settings.gateway)
    if gateway is not None:
        yield "gateway", gateway
    if settings.scp.tls is not None:
        yield "scp.tls", settings.scp.tls
    for number, origin in enumerate(settings.origins):
        if isinstance(origin, DimseOrigin) and origin.tls is not None:
            yield f"origins[{number}].tls", origin.tls
    for number, destination in enumerate(settings.scp.destinations):
        if destination.tls is not None:
            yield f"scp.destinations[{number}].tls", destination.tls
