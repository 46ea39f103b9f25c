"""The real servers that parts are held against: nginx, redis-server and haproxy, each in a directory of its own.

Each runs in the foreground as a Child on a free port, so it needs no privileges and leaves nothing behind. The caller
writes only what matters (a server block, a frontend); the frame around it is here.
"""

import os
from pathlib import Path

from kit.need import need, program
from kit.ports import free_port, listening
from kit.process import Child
from kit.wait import until

NGINX = """
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log notice;
{user}
events {{ worker_connections 4096; }}
http {{
  access_log access.log;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
{servers}
}}
"""

HAPROXY = """
global
  maxconn 2000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
{sections}
"""


class Server(Child):
    """A child that listens on `.port`, 127.0.0.1."""

    def __init__(self, command: list[str], port: int, directory: Path) -> None:
        super().__init__(command, cwd=directory)
        self.port = port
        self.directory = directory
        self.address = f"127.0.0.1:{port}"
        until(lambda: self.code is not None or listening(port), why=f"{self.name} listens", show=self.log)
        assert self.code is None, f"{self.name} ended with {self.code}\n{self.log()}"


class Nginx(Server):
    """nginx; `servers` is what stands inside http {}, with PORT in place of the free port."""

    def __init__(self, directory: Path, servers: str) -> None:
        need("nginx")
        port = free_port()
        user = "user root;" if os.geteuid() == 0 else ""  # temporary directories of pytest are closed to others
        text = NGINX.format(user=user, servers=servers.replace("PORT", str(port)))
        (directory / "nginx.conf").write_text(text)
        super().__init__(
            [program("nginx"), "-p", f"{directory}/", "-c", "nginx.conf", "-e", "error.log"], port, directory
        )

    def access_log(self) -> list[str]:
        """The lines of its access log so far."""
        return (self.directory / "access.log").read_text().splitlines()

    def log(self) -> str:
        path = self.directory / "error.log"
        return super().log() + (path.read_text(errors="replace") if path.exists() else "")


class Redis(Server):
    """redis-server without persistence."""

    def __init__(self, directory: Path, *options: str) -> None:
        need("redis")
        port = free_port()
        where = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory)]
        super().__init__(
            [program("redis-server"), *where, "--save", "", "--appendonly", "no", *options], port, directory
        )


class Haproxy(Server):
    """haproxy; `sections` are its frontends and backends, with PORT in place of the free port."""

    def __init__(self, directory: Path, sections: str) -> None:
        need("haproxy")
        port = free_port()
        (directory / "haproxy.cfg").write_text(HAPROXY.format(sections=sections.replace("PORT", str(port))))
        super().__init__([program("haproxy"), "-db", "-f", "haproxy.cfg"], port, directory)
