"""`python -m fuzz requests 10000000 --seed 1`: run, print the counts and the findings, fail when there is one."""

import argparse
import os
import sys
from collections import Counter
from importlib.metadata import version

import podparts.wire.http1

from fuzz.run import KINDS, Finding, Report, many, sort


def _show(kind: str, report: Report, processes: int) -> None:
    cases = report.counts["cases"]
    core = "plain Python" if podparts.wire.http1.__file__.endswith(".py") else "compiled"
    print(f"{kind}: {cases:,} cases in {report.seconds:.1f} s on {processes} processes, {cases / report.seconds:,.0f}/s, {core}")
    for name, count in sorted(report.counts.items()):
        print(f"  {name:34} {count:12,}  {count / cases:8.3%}")
    for seed, number, problem, data in _various(report.findings):
        print(f"  FOUND seed {seed} case {number}: {problem}\n    {data!r}")


def _various(findings: list[Finding]) -> list[Finding]:
    """Not more than a few of each sort, so that a frequent one does not hide the rest."""
    shown: Counter[str] = Counter()
    chosen = []
    for finding in findings:
        shown[sort(finding[2])] += 1
        if shown[sort(finding[2])] <= 3:
            chosen.append(finding)
    return chosen


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("kind", choices=[*KINDS, "all"])
    parser.add_argument("count", type=int, help="cases; of `all`, this many requests and a tenth of the others each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, httptools {version('httptools')} (llhttp), h11 {version('h11')}, seed {arguments.seed}")
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
