"""The plain proxies as children: started like any part, on ports of their own, from compiled modules or from source."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kit.ports import free_port
from kit.process import Part
from kit.raw import RawClient

HERE = Path(__file__).parent
UNCOMPILED = str(HERE / "uncompiled.py")


class PlainProxy(Part):
    """`PlainProxy("127.0.0.1:8080", BODY_LIMIT="1k")`; an upstream that refuses is not waited for unless asked."""

    program = str(HERE / "plain_proxy.py")

    def __init__(self, upstream: str, *, source: bool = False, **env: object) -> None:
        self.port = free_port()
        told: Mapping[str, object] = {
            "LISTEN": f"127.0.0.1:{self.port}",
            "UPSTREAM": upstream,
            "UPSTREAM_WAIT": 0,
        }
        command = (UNCOMPILED, self.program) if source else (self.program,)
        super().__init__(*command, env={**told, **env})

    def client(self, **options: Any) -> RawClient:
        """A connection to it."""
        return RawClient(self.port, **options)

    def events(self, event: str, **fields: object) -> list[dict[str, Any]]:
        """The log lines of that event with these fields, so far."""
        lines: list[dict[str, Any]] = [json.loads(line) for line in self.stdout().splitlines()]
        return [one for one in lines if one["event"] == event and fields.items() <= one.items()]

    def memory(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * 4096


class PlainTcp(PlainProxy):
    """`PlainTcp("127.0.0.1:5432", ANNOUNCE="v1")`: the same for TCP."""

    program = str(HERE / "plain_tcp.py")


Start = Callable[..., PlainProxy]
