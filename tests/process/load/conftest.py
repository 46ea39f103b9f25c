"""What the tests under load share: the upstream that counts."""

from collections.abc import AsyncIterator

import pytest

from kit.traffic import Journal


@pytest.fixture
async def journal() -> AsyncIterator[Journal]:
    upstream = Journal()
    await upstream.listen()
    yield upstream
    await upstream.stop()
