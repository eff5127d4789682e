"""Our clock against those of the servers that tell theirs (Date, RFC 9110 6.6.1); a PACS tells none."""

import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx2

from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.findings import Side, Wrong
from isthmus.common.config.kinds import is_on_this_machine

MOST_SECONDS: Final = 60.0
"""That two clocks may differ; tokens are let off by a minute, S3 by fifteen."""


class Clocks:
    """How far the clocks of servers are before ours, in seconds."""

    def __init__(self) -> None:
        self.known: dict[str, float] = {}
        """By their names."""

    async def ask(
        self,
        name: str,
        url: str,
        seconds: float,
        context: ssl.SSLContext | bool = True,
        *,
        is_ours: bool = False,
    ) -> None:
        """Note what a server says that it is; one that does not say is left out.

        Args:
            name: of the server.
            url: of anything that is there.
            seconds: to wait.
            context: by which it is verified.
            is_ours: whether it may run here by whatever name, as in containers.
        """
        try:
            async with (
                httpx2.AsyncClient(verify=context, trust_env=False, timeout=seconds) as http,
                http.stream("GET", url) as response,
            ):
                by = _before_ours(response.headers.get("date"))
        except (httpx2.HTTPError, OSError):
            return
        # Who runs here has our clock: that it agrees shows nothing.
        if by is not None and (abs(by) > MOST_SECONDS or not (is_ours or is_on_this_machine(url))):
            self.known[name] = by

    def judge(self) -> str:
        """Compare them all; gives which agree.

        Raises:
            Wrong: one differs.
        """
        off = {name: by for name, by in self.known.items() if abs(by) > MOST_SECONDS}
        if not off:
            return f"as that of {', '.join(sorted(self.known))}"
        if len(off) == len(self.known):
            raise _ours(off)
        name, by = max(off.items(), key=lambda one: abs(one[1]))
        raise Wrong(
            Cause.CLOCK_DIFFERS,
            Side.THEIRS,
            f"the clock of {name} {_written(by)};"
            f" those of {', '.join(sorted(self.known.keys() - off.keys()))} agree with ours",
            f"at {name}: have its clock set by NTP",
        )


def _before_ours(date: str | None) -> float | None:
    """Give how far a Date header is before our clock; None where it says nothing."""
    try:
        theirs = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    return None if theirs.tzinfo is None else (theirs - datetime.now(UTC)).total_seconds()


def _ours(off: dict[str, float]) -> Wrong:
    alone = "; which of the two is wrong, no third one tells" if len(off) == 1 else ""
    return Wrong(
        Cause.CLOCK_DIFFERS,
        Side.OURS,
        "; ".join(f"the clock of {name} {_written(by)}" for name, by in sorted(off.items())) + alone,
        "here: have the clock set by NTP, and see that it is (timedatectl)",
        *(f"if ours is right: the same at {name}" for name in off if alone),
    )


def _written(by: float) -> str:
    return f"is {abs(by):.0f} s {'before' if by > 0 else 'behind'} ours"
