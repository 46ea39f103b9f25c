"""The images under test, built once: `image` is each of them in turn, `part` each that can be run by its name."""

from collections.abc import Iterator

import pytest

from kit.container import Image, built, engine, images
from kit.need import need


@pytest.fixture(scope="session", autouse=True)
def docker_engine() -> Iterator[None]:
    need("docker")
    yield
    engine().close()


@pytest.fixture(params=images(), ids=lambda image: image.name)
def image(request: pytest.FixtureRequest) -> Image:
    found: Image = request.param
    built(found.name)
    return found


@pytest.fixture(params=[image for image in images() if image.is_part], ids=lambda image: image.name)
def part_image(request: pytest.FixtureRequest) -> Image:
    found: Image = request.param
    built(found.name)
    return found
