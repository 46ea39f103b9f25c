"""The names that a certificate can be made for. Pure."""

from podparts.values import packed_ip


def alternative(name: str) -> str:
    """A name as OpenSSL's configuration wants it: `DNS:localhost` or `IP:127.0.0.1`."""
    return f"IP:{name}" if packed_ip(name) is not None else f"DNS:{name}"


def is_name(name: str) -> bool:
    """Whether a certificate can be made for it: a host name, a wildcard or an IP address, nothing with a syntax."""
    if packed_ip(name) is not None:
        return True
    labels = name.removeprefix("*.").split(".")
    return len(name) <= 253 and all(
        0 < len(one) <= 63 and one.replace("-", "").replace("_", "").isalnum() for one in labels
    )
