"""The two builds of the data plane's pure modules."""

import pytest

from kit import builds
from kit.builds import Build
from kit.need import need


@pytest.fixture(params=["compiled", "uncompiled"], scope="session")
def wire(request: pytest.FixtureRequest) -> Build:
    """`wire.http1`, `wire.body`, `wire.fields` … of one build after the other."""
    if request.param == "uncompiled":
        return builds.uncompiled()
    need("compiler")
    found = builds.compiled()
    assert found.compiled, "a compiler is here, but the modules are not compiled: make setup"
    return found
