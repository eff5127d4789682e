"""An identity provider for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.idp import Idp, running


@pytest.fixture
async def idp() -> AsyncIterator[Idp]:
    async with running() as provider:
        yield provider
