"""A run: so many cases of a kind from a seed, over so many processes; counts, and the first findings in full."""

import multiprocessing
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from fuzz import rules
from fuzz.heads import Bodies, Heads
from fuzz.readers import Llhttp
from podparts.wire.http1 import Head

H11_EVERY = 16  # h11 takes twenty times as long as we do
CUTS_EVERY = 512  # reading from each prefix costs as much as the head is long
STRICTER_EVERY = 64  # how often llhttp is asked about what we refuse, to know how much stricter we are
MOST_FINDINGS = 1000


Finding = tuple[int, int, str, bytes]


def sort(problem: str) -> str:
    """What kind of finding it is: its words up to the first that is data."""
    return re.split(r"[\[('\"0-9]|: b", problem)[0][:70]


@dataclass
class Report:
    """Counts by name, and (seed, case number, what is wrong, the bytes) of each finding up to MOST_FINDINGS."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, other: "Report") -> None:
        self.counts += other.counts
        self.findings = (self.findings + other.findings)[:MOST_FINDINGS]
        self.seconds = max(self.seconds, other.seconds)

    def found(self, seed: int, number: int, problem: str, data: bytes) -> None:
        self.counts["findings"] += 1
        self.counts[f"found: {sort(problem)}"] += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append((seed, number, problem, data))


def _request(number: int, data: bytes, head: Head, counts: Counter[str]) -> str:
    result = head.request(data, 0, rules.REQUEST)
    end = head.end
    counts[str(result)] += 1
    if result == rules.COMPLETE:
        problem = rules.accepted_request(data, head) or rules.forwarded_request(head)
        if not problem and number % H11_EVERY == 0:
            counts["asked h11"] += 1
            problem = rules.accepted_by_h11(data, head)
    else:
        problem = rules.refused(data, result, head)
        if number % STRICTER_EVERY == 0:
            _count_stricter(data, counts, responses=False)
    if not problem and number % CUTS_EVERY == 0:
        counts["cut everywhere"] += 1
        problem = rules.same_at_every_cut(data, result, end, head)
    return problem


def _response(number: int, data: bytes, head: Head, counts: Counter[str]) -> str:
    result = head.response(data, 0, rules.RESPONSE)
    end = head.end
    counts[str(result)] += 1
    if result == rules.COMPLETE:
        problem = rules.accepted_response(data, head)
        if not problem and number % H11_EVERY == 0:
            counts["asked h11"] += 1
            problem = rules.accepted_by_h11(data, head, responses=True)
    else:
        problem = rules.refused(data, result, head, responses=True)
        if number % STRICTER_EVERY == 0:
            _count_stricter(data, counts, responses=True)
    if not problem and number % CUTS_EVERY == 0:
        counts["cut everywhere"] += 1
        problem = rules.same_at_every_cut(data, result, end, head, responses=True)
    return problem


def _count_stricter(data: bytes, counts: Counter[str], *, responses: bool) -> None:
    reader = Llhttp(responses=responses).feed(data)
    counts["llhttp asked about a refused one"] += 1
    counts["llhttp would accept it"] += bool(reader.message.headed and not reader.error)


def _body(_: int, data: bytes, __: Head, counts: Counter[str]) -> str:
    counts["bodies"] += 1
    return rules.chunked_body(data)


Check = Callable[[int, bytes, Head, Counter[str]], str]
KINDS: dict[str, tuple[Callable[[int], Heads], Check]] = {
    "requests": (Heads, _request),
    "responses": (lambda seed: Heads(seed, responses=True), _response),
    "bodies": (Bodies, _body),
}


def one(kind: str, count: int, seed: int) -> Report:
    """`count` cases from `seed` in this process."""
    make, check = KINDS[kind]
    generate, head, report = make(seed), Head(), Report()
    begin = time.perf_counter()
    for number in range(count):
        data = generate()
        try:
            problem = check(number, data, head, report.counts)
        except Exception as crash:  # a crash of the reader is a finding like any other, and the run goes on
            problem = f"raised {crash!r}"
        if problem:
            report.found(seed, number, problem, data)
    report.counts["cases"] += count
    report.seconds = time.perf_counter() - begin
    return report


def many(kind: str, count: int, seed: int, processes: int) -> Report:
    """The same over processes, each with a seed of its own."""
    total = Report()
    shares = [(kind, count // processes + (n < count % processes), seed + n) for n in range(processes)]
    if processes == 1:
        return one(*shares[0])
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for report in pool.starmap(one, shares):
            total.add(report)
    return total
