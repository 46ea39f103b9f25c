"""The contenders: nginx, haproxy and our parts as reverse proxies on one core, and the nginx that answers behind them.

Each is written as an operator would for this job: one worker, keep-alive to the upstream, X-Forwarded headers, no
access log. "tuned" is nginx with buffers that hold a large answer; its defaults spill a 1 MB body to a temporary file.
Every contender of a run listens at the same time; only the one under load works.
"""

import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kit.certs import Pair
from kit.need import program
from kit.ports import free_port, listening
from kit.process import SCRIPTS, Child
from kit.wait import until

PROXY_CORE, LOAD_CORE = 0, 1
BODIES = {"/100": b"x" * 99 + b"\n", "/10k": b"y" * 10_239 + b"\n", "/1m": b"z" * 1_048_575 + b"\n"}

_NGINX = """
daemon off; worker_processes 1; worker_rlimit_nofile 65536; pid nginx.pid; error_log error.log; {user}
events {{ worker_connections 12000; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  {body}
}}
"""

_UPSTREAM = """
  sendfile on; open_file_cache max=100 inactive=600s;
  server {{ listen 127.0.0.1:{port} backlog=4096; root www; default_type text/plain;
    location = /100 {{ return 200 "{small}"; }}
    location = /10k {{ sendfile off; }}
    location = /seen {{ return 200 "for=$http_x_forwarded_for proto=$http_x_forwarded_proto"; }} }}
"""

_PROXY = """
  upstream app {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port} {ssl} backlog=4096;
    {certificate}
    location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme; {tuning} }} }}
"""

_TUNED = "proxy_buffer_size 32k; proxy_buffers 16 32k; proxy_busy_buffers_size 256k; proxy_max_temp_file_size 0;"

_HAPROXY = """
global
  nbthread 1
  maxconn 30000
  no strict-limits
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  option forwardfor
  http-reuse always
frontend f
  bind 127.0.0.1:{port} backlog 4096 {tls}
  http-request set-header X-Forwarded-Proto {scheme}
  default_backend b
backend b
  server app 127.0.0.1:{upstream}
"""


@dataclass(frozen=True)
class Place:
    """Where a contender lives: its directory, port, upstream port and, for TLS, its certificate."""

    directory: Path
    port: int
    upstream: int
    pair: Pair | None


@dataclass(frozen=True)
class Contender:
    """`command` writes what the program reads and returns its command line and environment."""

    name: str
    tls: bool
    command: Callable[[Place], tuple[list[str], dict[str, str]]]


def start(contender: Contender, place: Place, core: int = PROXY_CORE) -> Child:
    """Start it, pinned to its core, without waiting for anything."""
    command, env = contender.command(place)
    return Child(["taskset", "-c", str(core), *command], env, place.directory)


class Running:
    """A contender that listens, pinned to its core."""

    def __init__(self, contender: Contender, place: Place, core: int = PROXY_CORE) -> None:
        self.name, self.tls, self.port = contender.name, contender.tls, place.port
        self.child = start(contender, place, core)
        self.session = self.child.pid
        until(
            lambda: self.child.code is not None or listening(self.port), why=f"{self.name} listens", show=self.child.log
        )
        assert self.child.code is None, f"{self.name} ended with {self.child.code}\n{self.child.log()}"


def _nginx(place: Place, body: str) -> list[str]:
    user = "user root;" if os.geteuid() == 0 else ""
    (place.directory / "nginx.conf").write_text(_NGINX.format(user=user, body=body))
    return [program("nginx"), "-p", f"{place.directory}/", "-c", "nginx.conf", "-e", "error.log"]


def _upstream(place: Place) -> tuple[list[str], dict[str, str]]:
    (place.directory / "www").mkdir(exist_ok=True)
    for path, body in BODIES.items():
        (place.directory / "www" / path[1:]).write_bytes(body)
    return _nginx(place, _UPSTREAM.format(port=place.port, small=BODIES["/100"].decode())), {}


def _nginx_proxy(tuning: str = "") -> Callable[[Place], tuple[list[str], dict[str, str]]]:
    def command(place: Place) -> tuple[list[str], dict[str, str]]:
        pair = place.pair
        certificate = f"ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key};" if pair else ""
        certificate += " ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache off;" if pair else ""
        ssl = "ssl" if pair else ""
        frame = {
            "port": place.port,
            "upstream": place.upstream,
            "ssl": ssl,
            "certificate": certificate,
            "tuning": tuning,
        }
        return _nginx(place, _PROXY.format(**frame)), {}

    return command


def _haproxy(place: Place) -> tuple[list[str], dict[str, str]]:
    tls = ""
    if place.pair:
        (place.directory / "both.pem").write_bytes(place.pair.certificate.read_bytes() + place.pair.key.read_bytes())
        tls = f"ssl crt {place.directory}/both.pem"
    scheme = "https" if place.pair else "http"
    frame = {"port": place.port, "upstream": place.upstream, "tls": tls, "scheme": scheme}
    (place.directory / "haproxy.cfg").write_text(_HAPROXY.format(**frame))
    return [program("haproxy"), "-db", "-f", "haproxy.cfg"], {}


def _sidecar(place: Place) -> tuple[list[str], dict[str, str]]:
    assert place.pair is not None
    env = {
        "LISTEN": f"127.0.0.1:{place.port}",
        "UPSTREAM": f"127.0.0.1:{place.upstream}",
        "CERTIFICATE_PATH": str(place.pair.certificate),
        "KEY_PATH": str(place.pair.key),
        "ADMIN_LISTEN": f"127.0.0.1:{free_port()}",
    }
    return [str(SCRIPTS / "https-sidecar")], env


def _plain(place: Place) -> tuple[list[str], dict[str, str]]:
    env = {
        "LISTEN": f"127.0.0.1:{place.port}",
        "UPSTREAM": f"127.0.0.1:{place.upstream}",
        "ADMIN_LISTEN": f"127.0.0.1:{free_port()}",
        "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
    }
    return [sys.executable, "-m", "bench.plain"], env


def from_command(text: str) -> Contender:
    """A contender given as NAME=COMMAND with {port} and {upstream}, for trying anything else; plain HTTP."""
    name, _, line = text.partition("=")

    def command(place: Place) -> tuple[list[str], dict[str, str]]:
        return shlex.split(line.format(port=place.port, upstream=place.upstream)), {}

    return Contender(name, tls=False, command=command)


UPSTREAM = Contender("upstream", tls=False, command=_upstream)

CONTENDERS = (
    Contender("nginx", tls=False, command=_nginx_proxy()),
    Contender("nginx-tuned", tls=False, command=_nginx_proxy(_TUNED)),
    Contender("haproxy", tls=False, command=_haproxy),
    Contender("podparts", tls=False, command=_plain),
    Contender("nginx-tls", tls=True, command=_nginx_proxy()),
    Contender("nginx-tls-tuned", tls=True, command=_nginx_proxy(_TUNED)),
    Contender("haproxy-tls", tls=True, command=_haproxy),
    Contender("https-sidecar", tls=True, command=_sidecar),
)


def start_all(contenders: tuple[Contender, ...], directory: Path, pair: Pair) -> tuple[Running, Mapping[str, Running]]:
    """The upstream on the load's core and every contender on the proxies' core, all listening."""
    upstream = Running(UPSTREAM, _place(UPSTREAM, directory, 0, None), LOAD_CORE)
    return upstream, {c.name: Running(c, _place(c, directory, upstream.port, pair)) for c in contenders}


def _place(contender: Contender, directory: Path, upstream: int, pair: Pair | None) -> Place:
    own = directory / contender.name
    own.mkdir(exist_ok=True)
    return Place(own, free_port(), upstream, pair if contender.tls else None)


def place(contender: Contender, directory: Path, upstream: int, pair: Pair) -> Place:
    """A place for one more start of a contender (time to ready)."""
    return _place(contender, directory, upstream, pair)
