"""The OpenSSL that the ssl module is linked with, for the two things that the ssl module cannot do itself.

Making a self-signed certificate, and accepting client certificates that do not verify (observe mode). Only those who
ask for one of them load this module, and ctypes with it. It knows nothing of what the results are for.
"""

import _ssl
import ctypes
import secrets
import ssl
from collections.abc import Callable
from ctypes import c_char_p, c_int, c_long, c_void_p

_lib = ctypes.CDLL(getattr(_ssl, "__file__", None))  # symbols of a library's own dependencies are found through it


def _function(name: str, result: object, *arguments: object) -> Callable[..., int]:
    function = getattr(_lib, name)
    function.restype = result
    function.argtypes = arguments
    return function  # type: ignore[no-any-return]


class LibraryError(Exception):
    """OpenSSL refused; the text names the function."""


def _checked(name: str, result: int | None) -> int:
    if not result:
        raise LibraryError(f"OpenSSL: {name} failed")
    return result


def _call(name: str, result: object, *arguments: tuple[object, object]) -> int:
    """Call a function whose result 0 or NULL is a failure; each argument with its type."""
    function = _function(name, result, *(kind for kind, _ in arguments))
    return _checked(name, function(*(value for _, value in arguments)))


# --- a certificate of our own ----------------------------------------------------------------------------------------

_SUBJECT_ALT_NAME, _BASIC_CONSTRAINTS, _EXT_KEY_USAGE = 85, 87, 126  # NIDs of openssl/obj_mac.h
_UTF8 = 0x1000


def self_signed(common_name: str, alternatives: tuple[str, ...], days: int) -> tuple[bytes, bytes]:
    """A certificate (ECDSA P-256) and its key, PEM. `alternatives` are as in OpenSSL's configuration: `DNS:localhost`.

    Raises LibraryError.
    """
    key = _call(
        "EVP_PKEY_Q_keygen", c_void_p, (c_void_p, None), (c_void_p, None), (c_char_p, b"EC"), (c_char_p, b"P-256")
    )
    certificate = _call("X509_new", c_void_p)
    x509 = (c_void_p, certificate)
    _call("X509_set_version", c_int, x509, (c_long, 2))  # 2 is v3
    serial = _call("X509_get_serialNumber", c_void_p, x509)
    _call("ASN1_INTEGER_set_uint64", c_int, (c_void_p, serial), (ctypes.c_uint64, secrets.randbits(63) | 1))
    for field, seconds in (("X509_getm_notBefore", -3600), ("X509_getm_notAfter", days * 86400)):
        moment = _call(field, c_void_p, x509)
        _call("X509_gmtime_adj", c_void_p, (c_void_p, moment), (c_long, seconds))
    _call("X509_set_pubkey", c_int, x509, (c_void_p, key))
    _name(certificate, common_name)
    for nid, value in (
        (_SUBJECT_ALT_NAME, ",".join(alternatives)),
        (_BASIC_CONSTRAINTS, "critical,CA:FALSE"),
        (_EXT_KEY_USAGE, "serverAuth"),
    ):
        text = (c_char_p, value.encode())
        extension = _call("X509V3_EXT_conf_nid", c_void_p, (c_void_p, None), (c_void_p, None), (c_int, nid), text)
        _call("X509_add_ext", c_int, x509, (c_void_p, extension), (c_int, -1))
    sha256 = _call("EVP_sha256", c_void_p)
    _call("X509_sign", c_int, x509, (c_void_p, key), (c_void_p, sha256))
    none = (c_void_p, None)
    plain = (none, none, (c_int, 0), none, none)
    return _pem("PEM_write_bio_X509", certificate), _pem("PEM_write_bio_PKCS8PrivateKey", key, *plain)


def _name(certificate: int, common_name: str) -> None:
    name = _call("X509_get_subject_name", c_void_p, (c_void_p, certificate))
    text = common_name.encode()
    place = ((c_int, len(text)), (c_int, -1), (c_int, 0))
    _call(
        "X509_NAME_add_entry_by_txt",
        c_int,
        (c_void_p, name),
        (c_char_p, b"CN"),
        (c_int, _UTF8),
        (c_char_p, text),
        *place,
    )
    _call("X509_set_issuer_name", c_int, (c_void_p, certificate), (c_void_p, name))


def _pem(write: str, thing: int, *more: tuple[object, object]) -> bytes:
    bio = _call("BIO_new", c_void_p, (c_void_p, _call("BIO_s_mem", c_void_p)))
    _call(write, c_int, (c_void_p, bio), (c_void_p, thing), *more)
    buffer = ctypes.create_string_buffer(16384)
    size = _call("BIO_read", c_int, (c_void_p, bio), (c_void_p, ctypes.addressof(buffer)), (c_int, len(buffer)))
    return buffer.raw[:size]


# --- accepting what does not verify ----------------------------------------------------------------------------------

_VERIFY_PEER = 1
_SET_SESSION_CACHE_MODE = 44  # SSL_CTRL_ of openssl/ssl.h
_verify_type = ctypes.CFUNCTYPE(c_int, c_int, c_void_p)


class LenientVerifier:
    """Lets every client certificate pass, and remembers what was wrong with the one of the handshake under way.

    Handshakes run to their end within one call, so the verdict that is found after it is that connection's own.
    """

    def __init__(self) -> None:
        self._verdict: str | None = None
        self._callback = _verify_type(self._verify)
        self._error = _function("X509_STORE_CTX_get_error", c_int, c_void_p)
        self._text = _function("X509_verify_cert_error_string", c_void_p, c_long)

    def apply(self, context: ssl.SSLContext) -> None:
        """Use it for a context. Sessions are not resumed there, because a resumed one is not verified."""
        pointer = context_pointer(context)
        _function("SSL_CTX_set_verify", None, c_void_p, c_int, _verify_type)(pointer, _VERIFY_PEER, self._callback)
        _function("SSL_CTX_ctrl", c_long, c_void_p, c_int, c_long, c_void_p)(pointer, _SET_SESSION_CACHE_MODE, 0, None)
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0

    def take(self) -> str | None:
        """What was wrong with the last certificate, None when nothing was; forgets it."""
        verdict, self._verdict = self._verdict, None
        return verdict

    def _verify(self, good: int, store: int) -> int:
        if not good and self._verdict is None:
            self._verdict = ctypes.string_at(self._text(self._error(store))).decode("ascii", "replace")
        return 1


def context_pointer(context: ssl.SSLContext) -> int:
    """The SSL_CTX behind an SSLContext: the first field of its C structure (CPython 3.11 to 3.13, Modules/_ssl.c).

    Raises LibraryError if what is there does not behave like it.
    """
    pointer = c_void_p.from_address(id(context) + object.__basicsize__).value
    mode = _function("SSL_CTX_get_verify_mode", c_int, c_void_p)(pointer)
    if mode != {ssl.CERT_NONE: 0, ssl.CERT_OPTIONAL: 1, ssl.CERT_REQUIRED: 3}[context.verify_mode]:
        raise LibraryError("this Python keeps its SSL_CTX elsewhere")
    return _checked("SSLContext", pointer)
