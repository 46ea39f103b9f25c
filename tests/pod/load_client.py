"""A bounded load, run inside the client's pod: python3 load_client.py ADDRESS, until its standard input ends.

Two clients in turn, up to 20 requests a second each: one opens a connection for each request, the other keeps its
connection and, as every client must, sends a request once more when a connection that was kept turns out closed. Prints
as JSON how many requests succeeded, by the pod that answered, and what went wrong with the others.
"""

import collections
import http.client
import json
import select
import ssl
import sys
import time
from collections.abc import Callable

PAUSE = 0.05
LONGEST = 300.0

context = ssl._create_unverified_context()
served: collections.Counter[str] = collections.Counter()
failed: list[str] = []


def connect(address: str) -> http.client.HTTPSConnection:
    return http.client.HTTPSConnection(address, timeout=10, context=context)


def fetch(connection: http.client.HTTPSConnection) -> str:
    connection.request("GET", "/hostname", headers={"Host": "legacy"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise ValueError(f"status {answer.status}: {body[:200]!r}")
    return body.decode().strip()


def fetch_once(address: str) -> str:
    connection = connect(address)
    try:
        return fetch(connection)
    finally:
        connection.close()


def fetch_kept(connection: http.client.HTTPSConnection) -> str:
    used_before = connection.sock is not None
    try:
        return fetch(connection)
    except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
        connection.close()
        if not used_before:
            raise
        return fetch(connection)


def main(address: str) -> None:
    kept = connect(address)
    clients: tuple[Callable[[], str], ...] = (lambda: fetch_once(address), lambda: fetch_kept(kept))
    began = time.monotonic()
    print("started", flush=True)
    while time.monotonic() < began + LONGEST and not select.select([sys.stdin], [], [], PAUSE)[0]:
        for number, client in enumerate(clients):
            try:
                served[client()] += 1
            except (OSError, ValueError, http.client.HTTPException) as error:
                failed.append(f"{time.monotonic() - began:.2f} s, client {number}: {error!r}")
                kept.close()
    print(json.dumps({"served": served, "failed": failed}), flush=True)


main(sys.argv[1])
