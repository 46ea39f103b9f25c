"""CLIENT_ALLOW: rules and patterns."""

import pytest

from https_sidecar.allow import Rules, matches_pattern
from https_sidecar.identity import Identity

WEB = Identity(
    subject="CN=web,OU=shop",
    common_name="web",
    units=("shop", "night"),
    dns=("Web.Internal", "web.example.test"),
    uris=("spiffe://example.test/ns/shop/sa/web",),
)


@pytest.mark.parametrize(
    "text",
    [
        "cn=web",
        "ou=night",
        "dns=web.internal",
        "dns=*.internal",
        "uri=spiffe://example.test/**",
        "cn=other,ou=shop",
        "all",
    ],
)
def test_a_rule_that_fits_admits(text: str) -> None:
    assert Rules.parse(text).allows(WEB)


@pytest.mark.parametrize(
    "text",
    ["cn=WEB", "cn=we", "ou=day", "dns=internal", "dns=*.test", "uri=spiffe://example.test/*", "none", "cn=a,ou=b"],
)
def test_rules_that_do_not_fit_refuse(text: str) -> None:
    assert not Rules.parse(text).allows(WEB)


def test_a_comma_within_a_value_is_escaped() -> None:
    rules = Rules.parse(r"cn=Doe\, Jane,ou=shop")
    assert [rule.value for rule in rules.rules] == ["Doe, Jane", "shop"]
    assert Rules.parse(str(rules)) == rules


@pytest.mark.parametrize("text", ["", "web", "cn=", "=web", "name=web", "cn=web,", "uri=**/a", "dns=**.a.b"])
def test_what_is_no_rule_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Rules.parse(text)


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("a/b", "a/b", True), ("a/b", "a/b/", True), ("a/b/", "a/b", True), ("a/*", "a/b", True),
        ("a/*", "a/", False), ("a/*", "a/b/c", False), ("a/*/c", "a/b/c", True), ("a/**", "a/b/c", True),
        ("a/**", "b/a", False), ("**", "anything/at/all", True), ("a/b*", "a/bc", False), ("a.b", "axb", False),
    ],
)  # fmt: skip
def test_a_star_is_one_segment_and_two_are_the_rest(pattern: str, value: str, fits: bool) -> None:
    assert matches_pattern(pattern, value, "/") is fits
