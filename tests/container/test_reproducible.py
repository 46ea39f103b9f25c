"""The same source makes the same image: built again without a cache, every layer is equal to the last bit."""

from kit.container import Image, command, engine, inspected


def test_built_again_from_nothing_it_has_the_same_layers(image: Image) -> None:
    again = f"{image.tag}-again"
    command("docker", "build", "-q", "--no-cache", "-t", again, str(image.folder))
    try:
        assert inspected(again)["RootFS"]["Layers"] == inspected(image.tag)["RootFS"]["Layers"]
    finally:
        engine().images.remove(again)
