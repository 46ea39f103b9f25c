"""`python -m fuzz requests 10000000 --seed 1`: run, print the counts and the findings, fail when there is one."""

import argparse
import os
import sys
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING

from kit.uncompiled import use_source

if TYPE_CHECKING:
    from fuzz.run import Finding, Report

SHOWN = 3  # findings of one sort


def _various(findings: "list[Finding]") -> "list[Finding]":
    """Not more than a few of each sort, so that a frequent one does not hide the rest."""
    from fuzz.run import sort

    shown: Counter[str] = Counter()
    chosen = []
    for finding in findings:
        shown[sort(finding[2])] += 1
        if shown[sort(finding[2])] <= SHOWN:
            chosen.append(finding)
    return chosen


def _show(kind: str, report: "Report", processes: int) -> None:
    cases = report.counts["cases"]
    rate = cases / report.seconds
    print(f"{kind}: {cases:,} cases in {report.seconds:.1f} s on {processes} processes, {rate:,.0f}/s")
    for name, count in sorted(report.counts.items()):
        print(f"  {name:34} {count:12,}  {count / cases:8.3%}")
    for seed, number, problem, data in _various(report.findings):
        print(f"  FOUND seed {seed} case {number}: {problem}\n    {data!r}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("kind", choices=["requests", "responses", "bodies", "all"], nargs="?", default="all")
    parser.add_argument(
        "count",
        type=int,
        nargs="?",
        default=10_000_000,
        help="cases; of `all`: so many requests, a tenth responses, a hundredth bodies",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--plain", action="store_true", help="read with the uncompiled modules")
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    if arguments.plain:
        use_source()
    from fuzz.run import many
    from podparts.wire import http1

    core = "plain Python" if str(http1.__file__).endswith(".py") else "compiled"
    versions = f"Python {sys.version.split()[0]}, httptools {version('httptools')} (llhttp), h11 {version('h11')}"
    print(f"{versions}, seed {arguments.seed}, scanner {core}")
    kinds = {arguments.kind: arguments.count}
    if arguments.kind == "all":
        kinds = {"requests": arguments.count, "responses": arguments.count // 10, "bodies": arguments.count // 100}
    found = 0
    for kind, count in kinds.items():
        report = many(kind, count, arguments.seed, arguments.processes)
        _show(kind, report, arguments.processes)
        found += report.counts["findings"]
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
