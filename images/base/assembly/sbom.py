"""What an image is made of: a CycloneDX 1.5 document, and the licences that must travel with the parts.

The document lies at /usr/share/podparts/sbom.cdx.json. Debian's packages are those that own a file in the tree
(dpkg's own lists say so), the interpreter is one of them or stands for itself where it was compiled from source, and
wheels describe themselves. Besides, each Debian package gets the entry in /var/lib/dpkg/status.d by which scanners of
small images find it.
"""

import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

Component = dict[str, Any]

DOCUMENT = "/usr/share/podparts/sbom.cdx.json"
DPKG = Path("/var/lib/dpkg")
# The one file that a package's script makes, so that no list of files names it.
MADE_BY_SCRIPT = {"/etc/ssl/certs/ca-certificates.crt": "ca-certificates"}


def owners() -> dict[str, str]:
    """Which package each installed file is of, by the file's real path: dpkg may still know /lib/x of a merged /usr."""
    owner = dict(MADE_BY_SCRIPT)
    for listing in sorted((DPKG / "info").glob("*.list")):
        package = listing.stem.partition(":")[0]
        for path in listing.read_text().splitlines():
            owner[os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))] = package
    return owner


def status() -> dict[str, Message]:
    """dpkg's paragraph about each installed package."""
    paragraphs = (Parser().parsestr(text) for text in (DPKG / "status").read_text().split("\n\n") if text.strip())
    return {p["Package"]: p for p in paragraphs if "installed" in p["Status"]}


def debian(out: str) -> None:
    """Starts the document of the tree at out with the Debian packages, and the interpreter, that its files are from."""
    owner = owners()
    inside = [path[len(out) :] for path in files(out)]
    names = sorted({owner[path] for path in inside if path in owner})
    known = status()
    components = []
    for name in names:
        components.append(debian_component(known[name]))
        carry_notice(out, name, known[name])
    if not any(name.startswith("python3") for name in names):
        components.append(interpreter_component())
    write(out, components)


def files(root: str) -> Iterator[str]:
    for top, _, names in os.walk(root):
        yield from (os.path.join(top, name) for name in names)


def carry_notice(out: str, name: str, paragraph: Message) -> None:
    """Copies the package's licence text, and its paragraph for scanners."""
    notice = f"/usr/share/doc/{name}/copyright"
    target = Path(out + notice)
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.exists(notice):
        shutil.copyfile(notice, target)  # not the link that some packages share: what it leads to
    entry = Path(f"{out}/var/lib/dpkg/status.d/{name}")
    entry.parent.mkdir(parents=True, exist_ok=True)
    kept = ("Package", "Status", "Architecture", "Source", "Version", "Maintainer", "Homepage")
    entry.write_text("".join(f"{key}: {paragraph[key]}\n" for key in kept if paragraph[key]))


def debian_component(paragraph: Message) -> Component:
    name, version, architecture = (paragraph[key] for key in ("Package", "Version", "Architecture"))
    purl = f"pkg:deb/debian/{name}@{version.replace('+', '%2B').replace(':', '%3A')}?arch={architecture}"
    return component(name, version, purl, debian_licences(name))


def debian_licences(name: str) -> list[str]:
    """The short names in the package's copyright file, where that is in the machine-readable form."""
    path = Path(f"/usr/share/doc/{name}/copyright")
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    if not lines or "copyright-format/1.0" not in lines[0]:
        return []
    return sorted({line.partition(":")[2].strip() for line in lines if line.startswith("License:")} - {""})


def interpreter_component() -> Component:
    version = platform.python_version()
    return component("python", version, f"pkg:generic/python@{version}", ["Python-2.0.1"])


def wheel_components(site_packages: str) -> list[Component]:
    """One component for each distribution in the folder, from its METADATA."""
    found = []
    for path in sorted(Path(site_packages).glob("*.dist-info/METADATA")):
        metadata = Parser().parsestr(path.read_text(errors="replace"), headersonly=True)
        name, version = metadata["Name"], metadata["Version"]
        licence = metadata["License-Expression"] or metadata["License"] or ""
        purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
        found.append(component(name, version, purl, [licence.splitlines()[0]] if licence else []))
    return found


def component(name: str, version: str, purl: str, licences: Iterable[str]) -> Component:
    entry: Component = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    named = [{"license": {"name": licence}} for licence in licences]
    return entry | ({"licenses": named} if named else {})


def read(root: str) -> list[Component]:
    """The components that the document of the tree at root lists."""
    found: list[Component] = json.loads(Path(root + DOCUMENT).read_text())["components"]
    return found


def write(out: str, components: Iterable[Component], image: Component | None = None) -> None:
    """Writes the document below out: the components sorted, and the image that they make up where it is known."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", "0"))))
    unique = {entry["bom-ref"]: entry for entry in components}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"timestamp": moment} | ({"component": image} if image else {}),
        "components": [unique[key] for key in sorted(unique)],
    }
    path = Path(out + DOCUMENT)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(f"sbom: {len(unique)} components", file=sys.stderr)
