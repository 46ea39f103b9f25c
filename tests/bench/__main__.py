"""`python -m bench`: start everything, go round, write results/DATE.json, results.md and plot.svg.

python -m bench --cases keepalive,tls --rounds 5 --seconds 3
python -m bench --proxy 'mine=/path/to/proxy --port {port} --to {upstream}'
python -m bench --render results/DATE.json
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import cases, measure, plot, proc, report
from bench.proxies import CONTENDERS, Contender, Running, from_command, start_all
from kit.certs import Authority
from kit.need import NEEDS, missing, program
from kit.process import EndedEarly
from kit.wait import TimedOut

RESULTS = Path(__file__).parent / "results"
STARTS = 20  # times to ready vary by a few ms each; twenty give a steady median


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", default="", help="names or groups of cases, comma separated; all when empty")
    parser.add_argument("--contenders", default="", help="names of contenders, comma separated; all when empty")
    parser.add_argument("--proxy", action="append", default=[], help="one more plain-HTTP contender: NAME=COMMAND")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each wrk run, whole ones")
    parser.add_argument("--note", default="", help="a sentence for the report: what else ran on the machine")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--render", type=Path, help="only write the report of an earlier run")
    return parser.parse_args()


def _versions() -> dict[str, str]:
    commands = {"nginx": ["nginx", "-v"], "haproxy": ["haproxy", "-v"], "openssl": ["openssl", "version"]}
    found = {"Python": sys.version.split()[0]}
    for name, (binary, *rest) in commands.items():
        done = subprocess.run([program(binary), *rest], capture_output=True, text=True, check=False)
        match = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
        found[name] = match[0] if match else "unknown"
    return found


def _chosen_contenders(arguments: argparse.Namespace) -> tuple[Contender, ...]:
    every = (*CONTENDERS, *(from_command(text) for text in arguments.proxy))
    names = [name for name in arguments.contenders.split(",") if name]
    return tuple(c for c in every if not names or c.name in names or c not in CONTENDERS)


def _rounds(case: cases.Case, rounds: int) -> int:
    return max(rounds, STARTS) if case.kind == "ready" else rounds


def _image(case: cases.Case) -> list[dict[str, object]]:
    figures = measure.image(case)
    if figures is None:
        print(f"{case.name}: not measured, there is no engine with this image", flush=True)
        return []
    return [{"case": case.name, "contender": case.name.removeprefix("image-"), "round": 0, **figures}]


def _in_turn(proxies: list[Running], number: int) -> list[Running]:
    """Each round begins with another one, so that a drift of the machine falls on all alike."""
    first = number % len(proxies) if proxies else 0
    return proxies[first:] + proxies[:first]


def _go_round(
    chosen: tuple[cases.Case, ...], running: dict[str, Running], bench: measure.Bench, rounds: int
) -> list[dict[str, object]]:
    samples: list[dict[str, object]] = []
    for case in chosen:
        if case.kind == "image":
            samples += _image(case)
            continue
        for number in range(_rounds(case, rounds)):
            for proxy in _in_turn([proxy for proxy in running.values() if proxy.tls == case.tls], number):
                try:
                    figures = measure.sample(case, proxy, bench)
                except (EndedEarly, TimedOut) as failure:  # one sample is lost, not the twelve minutes before it
                    print(f"{case.name:14} {number:2} {proxy.name:16} failed: {failure}", file=sys.stderr, flush=True)
                    continue
                rounded = {key: round(value, 3) for key, value in figures.items()}
                samples.append({"case": case.name, "contender": proxy.name, "round": number, **rounded})
                shown = " ".join(f"{key}={value:.2f}" for key, value in figures.items() if value)
                print(f"{case.name:14} {number:2} {proxy.name:16} {shown}", flush=True)
    return samples


def _run(arguments: argparse.Namespace) -> dict[str, object]:
    chosen = cases.chosen([word for word in arguments.cases.split(",") if word])
    contenders = _chosen_contenders(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        (directory / "certificates").mkdir()
        pair = Authority(directory / "certificates").server()
        upstream, running = start_all(contenders, directory, pair)
        bench = measure.Bench(arguments.seconds, directory, upstream.port, pair, {c.name: c for c in contenders})
        try:
            samples = _go_round(chosen, dict(running), bench, arguments.rounds)
        finally:
            for one in (upstream, *running.values()):
                one.child.kill()
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    versions = _versions()
    return {"date": when, "machine": proc.machine(), "versions": versions, "note": arguments.note, "samples": samples}


def _as_json(run: dict[str, object]) -> str:
    """One sample per line, so that two runs can be compared by eye and by diff."""
    samples = run["samples"]
    assert isinstance(samples, list)
    lines = ",\n".join(json.dumps(sample) for sample in samples)
    return json.dumps(run | {"samples": []}, indent=1).replace('"samples": []', f'"samples": [\n{lines}\n]') + "\n"


def main() -> int:
    arguments = _arguments()
    if arguments.render:
        run = json.loads(arguments.render.read_text())
    else:
        for need in ("nginx", "haproxy", "wrk", "taskset", "openssl"):
            if reason := missing(need):
                print(f"the bench needs {need}: {reason}. {NEEDS[need].remedy}", file=sys.stderr)
                return 1
        proc.allow_many_files()
        run = _run(arguments)
        arguments.out.mkdir(parents=True, exist_ok=True)
        name = str(run["date"]).replace(" ", "T").replace(":", "")
        (arguments.out / f"{name}.json").write_text(_as_json(run))
    (arguments.out / "results.md").write_text(report.markdown(run))
    (arguments.out / "plot.svg").write_text(plot.svg(report.rows(run)))
    print(report.markdown(run))
    return 0


if __name__ == "__main__":
    sys.exit(main())
