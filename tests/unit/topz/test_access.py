"""Who may look."""

import base64

import pytest

from podparts.settings import Secret
from podparts.web import Request
from topz import access

TOKEN = Secret("correct horse")


def ask(**headers: str) -> Request:
    return Request("GET", "/topz", "/topz", {}, headers)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer correct horse"},
        {"authorization": "bearer correct horse"},
        {"authorization": basic("anybody:correct horse")},
        {"cookie": f"a=b; {access.COOKIE}={access.session(TOKEN)}"},
    ],
)
def test_the_token_opens(headers: dict[str, str]) -> None:
    assert access.allowed(ask(**headers), TOKEN)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer "},
        {"authorization": basic("correct horse:")},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic " + "A" * 5},
        {"cookie": f"{access.COOKIE}=correct horse"},
        {"cookie": f"{access.COOKIE}="},
        {"cookie": "\u00ff\udcff"},
    ],
)
def test_anything_else_does_not(headers: dict[str, str]) -> None:
    assert not access.allowed(ask(**headers), TOKEN)


def test_without_a_token_everybody_may_look() -> None:
    assert access.allowed(ask(), Secret())


def test_a_new_token_ends_old_sessions() -> None:
    assert access.session(TOKEN) != access.session(Secret("another"))
