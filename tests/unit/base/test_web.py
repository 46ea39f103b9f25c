"""Web: a table of endpoints answers a request, whatever it is."""

import pytest

from podparts.web import Answer, Endpoint, Request, Site, accepts, text


def answer(body: str) -> Endpoint:
    return Endpoint("GET", "/x", "", lambda request: text(body))


def ask(site: Site, method: str, path: str, **headers: str) -> Answer:
    return site(Request(method, path, path, headers=headers))


def test_an_endpoint_answers_its_method_and_path() -> None:
    assert ask(Site([answer("yes")]), "GET", "/x").body == b"yes\n"


def test_head_is_answered_by_get() -> None:
    assert ask(Site([answer("yes")]), "HEAD", "/x").status == 200


def test_an_unknown_path_is_404() -> None:
    assert ask(Site([answer("yes")]), "GET", "/y").status == 404


def test_a_known_path_with_another_method_is_405_and_says_what_is_allowed() -> None:
    site = Site([answer("yes"), Endpoint("POST", "/x", "", lambda request: text("posted"))])
    refused = ask(site, "DELETE", "/x")
    assert refused.status == 405
    assert refused.headers == (("Allow", "GET, HEAD, POST"),)


def test_a_path_that_ends_in_a_star_answers_for_all_below_it() -> None:
    site = Site([Endpoint("GET", "/api/*", "", lambda request: text(request.path))])
    assert ask(site, "GET", "/api/v1/x").body == b"/api/v1/x\n"
    assert ask(site, "GET", "/apis").status == 404


def test_a_crash_is_500_without_detail_and_is_told_to_the_log() -> None:
    told: list[tuple[str, str]] = []

    def crash(request: Request) -> Answer:
        raise RuntimeError("the password is hunter2")

    site = Site([Endpoint("GET", "/x", "", crash)], lambda request, error: told.append((request.path, str(error))))
    got = ask(site, "GET", "/x")
    assert (got.status, got.body) == (500, b"internal error\n")
    assert told == [("/x", "the password is hunter2")]


@pytest.mark.parametrize(
    ("accept", "yes"),
    [
        ("application/openmetrics-text", True),
        ("text/plain, application/openmetrics-text; version=1.0.0;q=0.5", True),
        ("application/openmetrics-text;q=0", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_a_media_type_is_accepted_when_it_is_named_and_not_refused(accept: str, yes: bool) -> None:
    assert accepts(Request("GET", "/", "/", headers={"accept": accept}), "application/openmetrics-text") is yes
