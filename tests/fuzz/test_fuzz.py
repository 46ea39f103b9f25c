"""A bounded run of the differential fuzzing; `make fuzz` runs ten million."""

import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.run import many

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize(("kind", "count"), [("requests", 200_000), ("responses", 30_000), ("bodies", 3_000)])
def test_what_we_accept_llhttp_and_h11_accept_with_the_same_meaning(kind: str, count: int) -> None:
    report = many(kind, count, seed=2026, processes=1)
    assert report.findings == []
    assert report.counts["1"] > count / 10 or kind == "bodies", "too few were accepted for the run to say anything"


def test_the_uncompiled_scanner_agrees_as_well() -> None:
    command = [sys.executable, "-m", "fuzz", "all", "20000", "--plain", "--processes", "1"]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "scanner plain Python" in done.stdout
