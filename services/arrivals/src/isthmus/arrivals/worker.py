"""What the service does for as long as it runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from isthmus.common.service import Parts


@asynccontextmanager
async def worker(parts: Parts) -> AsyncIterator[None]:
    """Serve until left."""
    yield
