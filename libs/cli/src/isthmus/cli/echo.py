"""`isthmus echo`: whether an origin answers."""

from dataclasses import asdict
from pathlib import Path

from isthmus.cli.client import Gateway
from isthmus.cli.output import progress_console, write_error, write_json, write_line


async def echo(data: Path, origin: str, *, as_json: bool) -> bool:
    """Have an origin asked whether it answers: by C-ECHO (PS3.4 A) or its counterpart; whether it did."""
    async with Gateway.of(data) as gateway:
        with progress_console.status(f"asking {origin}"):
            answer = await gateway.echo(origin)
    if as_json:
        write_json(asdict(answer))
    elif answer.ok:
        write_line(f"{answer.name} answers after {answer.latency_ms:.1f} ms")
    else:
        write_error(f"{answer.name} does not answer: {answer.detail or 'no reason given'}")
    return answer.ok
