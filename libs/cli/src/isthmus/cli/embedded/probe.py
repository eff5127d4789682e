"""Whether an HTTP server on this machine is ready."""

import asyncio
from collections.abc import Container


async def answers(host: str, port: int, path: str, *, expected: Container[int] = frozenset({200})) -> bool:
    """Whether a GET is answered now, and with one of these statuses.

    By hand, because all services are asked four times a second while they start, and to make an HTTP client
    costs more than to use it.
    """
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                status_line = (await reader.readline()).split()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return len(status_line) > 1 and status_line[1].isdigit() and int(status_line[1]) in expected
