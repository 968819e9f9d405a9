"""TLS: whom a core trusts, and whether a server is who it should be (floor 3; RFC 5922, RFC 5924, RFC 9325)."""

from __future__ import annotations

import hmac
import logging
import os
import ssl
import tempfile
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiosipreg.net.failure import TransportFailure
from aiosipreg.settings import is_pem
from aiosipreg.wire.host import parse_ip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiosipreg.net.certificate import Certificate
    from aiosipreg.settings import TlsParams

__all__ = ["Contexts", "TlsError", "handshake_failure", "unverifying_context", "verify"]

logger = logging.getLogger("aiosipreg.tls")

# Extended key usages (RFC 5280 4.2.1.12, RFC 5924).
_ANYTHING: Final = "2.5.29.37.0"
_WEB_SERVER: Final = "1.3.6.1.5.5.7.3.1"
_SIP_DOMAIN: Final = "1.3.6.1.5.5.7.3.20"
_VERSIONS: Final = ("TLSv1.2", "TLSv1.3")
_MOST_CONTEXTS: Final = 64
_MOST_SHOWN: Final = 10
_DER: Final = 2  # `_ssl.ENCODING_DER`

_CLOCK: Final = {9: "it is not valid yet", 10: "it has expired"}
_PURPOSE: Final = 26
"""OpenSSL's ``X509_V_ERR_INVALID_PURPOSE``; 9 and 10 above are those of the dates."""


class TlsError(TransportFailure):
    """No secure connection to a server.

    Attributes:
        wanted: The name that the server's certificate had to be for.
        found: The names that it is for, as far as they count.
        setting: The setting that would accept it, empty when there is none.
        wrong_purpose: OpenSSL took it for no certificate of a web server, which it need not be.
        row: ``TLS-1`` when the certificate is not accepted, ``RSP-TLS`` when the handshake failed otherwise.
    """

    def __init__(
        self,
        cause: str,
        *,
        wanted: str,
        found: tuple[str, ...] = (),
        setting: str = "",
        wrong_purpose: bool = False,
        row: str = "TLS-1",
    ) -> None:
        hint = f"; TlsParams.{setting} decides on that" if setting else ""
        super().__init__(f"{cause}{hint}", row)
        self.wanted = wanted
        self.found = found
        self.setting = setting
        self.wrong_purpose = wrong_purpose


def verify(
    session: ssl.SSLObject,
    name: str,
    params: TlsParams,
    authorities: ssl.SSLContext | None = None,
    *,
    web: bool = False,
) -> Certificate:
    """Check what a handshake brought, before anything is sent (TLS-1).

    Args:
        session: What both sides agreed on.
        name: The name that the certificate must be for.
        params: What else is asked for.
        authorities: Knows whom to trust; ``None`` when chain and dates were checked by the handshake, or need not be.
        web: Judge it by the rules of HTTPS (RFC 2818, RFC 7118 9.1), which know no SIP URIs and have always had
            wildcards; OpenSSL has checked by itself that it is for web servers.

    Raises:
        TlsError: The server is not accepted.
    """
    if session.version() not in _VERSIONS:
        raise TlsError(f"{name} offers {session.version()}, and TLS 1.2 is the least", wanted=name, row="RSP-TLS")
    if authorities is not None:
        _check_chain(session, name, authorities)
    return _accepted(session.getpeercert(binary_form=True) or b"", name, params, web=web)


def _accepted(der: bytes, name: str, params: TlsParams, *, web: bool) -> Certificate:
    # Imported here: it takes as long as half of the package, and accounts by UDP can do without.
    from aiosipreg.net.certificate import Certificate

    try:
        certificate = Certificate.read(der)
    except ValueError as error:
        raise TlsError(f"the certificate of {name} cannot be read: {error}", wanted=name) from error
    if web:
        certificate, params = certificate._replace(uris=()), params.replace(wildcards=True, strict_usage=False)
    pinned = any(hmac.compare_digest(certificate.pin, pin) for pin in params.pins)
    if params.pins and not pinned:
        raise TlsError(f"the key of {name} is not pinned: {certificate.pin}", wanted=name, setting="pins")
    if params.insecure_skip_verify:
        logger.warning("%s: not verified who answers, because insecure_skip_verify is set", name)
    elif not params.pins_suffice:
        _check_usage(certificate, name, params)
        numeric = parse_ip(name) is not None
        if not certificate.is_for(name, params) and not (numeric and pinned):
            _refuse_names(certificate, name, params)
    return certificate


def _check_chain(session: ssl.SSLObject, name: str, authorities: ssl.SSLContext) -> None:
    from aiosipreg.net.certificate import ChainError, verify_chain

    try:
        verify_chain(_sent_chain(session), authorities.get_ca_certs(binary_form=True))
    except ChainError as error:
        raise TlsError(f"the certificate of {name} is not trusted: {error}", wanted=name, setting="ca_file") from None
    except ValueError as error:
        raise TlsError(f"the certificate of {name} cannot be read: {error}", wanted=name) from error


def _sent_chain(session: ssl.SSLObject) -> list[bytes]:
    sent: Any = session
    if not hasattr(sent, "get_unverified_chain"):
        sent = sent._sslobj  # Python 3.12 and older have it there.
    chain = sent.get_unverified_chain() or ()
    return [entry if isinstance(entry, bytes) else entry.public_bytes(_DER) for entry in chain]


def _check_usage(certificate: Certificate, name: str, params: TlsParams) -> None:
    """Refuse a certificate that is for something else (TLS-6)."""
    usages = certificate.usages
    if usages is None or usages & {_SIP_DOMAIN, _ANYTHING}:
        return
    if _WEB_SERVER not in usages:
        raise TlsError(f"the certificate of {name} is not for servers", wanted=name)
    if params.strict_usage:
        cause = f"the certificate of {name} is for web servers, not for SIP domains"
        raise TlsError(cause, wanted=name, setting="strict_usage")


def _refuse_names(certificate: Certificate, name: str, params: TlsParams) -> None:
    if parse_ip(name) is not None:
        found = (*certificate.addresses, *certificate.names(params))
    else:
        found = certificate.names(params) or certificate.addresses
    shown = ", ".join(entry[:100] for entry in found[:_MOST_SHOWN]) or "no name that counts"
    setting = "extra_names"
    if not found and certificate.common:
        shown, setting = f"{shown}, only the common name {certificate.common[0][:100]}", "common_name"
    elif not params.wildcards and certificate.has_wildcard_for(name):
        setting = "wildcards"
    raise TlsError(f"the certificate is for {shown}, not for {name}", wanted=name, found=found, setting=setting)


def handshake_failure(error: Exception, name: str) -> TlsError:
    """What a failed handshake means."""
    if isinstance(error, _Refused):
        return error.why
    if isinstance(error, ssl.SSLCertVerificationError):
        code = error.verify_code
        if code in _CLOCK:
            cause = f"the certificate of {name} is out of date, or the clock is wrong: {_CLOCK[code]}"
            return TlsError(cause, wanted=name)
        cause = f"the certificate of {name} is not trusted: {error.verify_message}"
        purpose = code == _PURPOSE
        return TlsError(cause, wanted=name, setting="" if purpose else "ca_file", wrong_purpose=purpose)
    cause = str(error) or "the server hung up"
    if isinstance(error, ssl.SSLError) and error.reason:
        cause = error.reason.replace("_", " ").lower()
        cause = "it does not speak TLS there" if "wrong version" in cause else cause
    elif "taking longer" in cause:
        cause = "it took too long"
    return TlsError(f"no TLS handshake with {name}: {cause}", wanted=name, row="RSP-TLS")


class Contexts:
    """The contexts for the handshakes of one core: made when they are needed, and anew when a file was replaced."""

    def __init__(self) -> None:
        self._make = lru_cache(_MOST_CONTEXTS)(_make)

    def get(self, params: TlsParams, name: str, *, web: bool = False) -> ssl.SSLContext:
        """The context for a server.

        Args:
            params: Whom to trust, and what to show.
            name: The server, for the error.
            web: It is judged by the rules of HTTPS.

        Raises:
            TlsError: A file cannot be read, or does not hold what it should.
        """
        own = params.context
        if own is not None:
            if not own.verify_mode and not params.pins_suffice and not params.insecure_skip_verify:
                # It was changed after it had been given.
                raise TlsError("the context does not verify certificates", wanted=name, setting="context")
            return own
        states = []
        for field in ("ca_file", "client_cert", "client_key"):
            path = getattr(params, field)
            try:
                status = os.stat(path) if path is not None and not is_pem(path) else None
            except OSError as error:
                # What is no file may be a key that lost its first line (SEC-9).
                shown = path if field != "client_key" else "the file of the key"
                raise TlsError(f"{shown}: {error.strerror}", wanted=name, setting=field) from None
            states.append((status.st_mtime_ns, status.st_size) if status is not None else None)
        try:
            return self._make(params, tuple(states), web)
        except (OSError, ValueError) as error:
            # What OpenSSL says of a file names no secret.
            field = "client_cert" if params.client_cert is not None else "ca_file"
            cause = f"the certificates or the key of TlsParams or AuthInfo cannot be used: {error}"
            raise TlsError(cause, wanted=name, setting=field) from None


def unverifying_context() -> ssl.SSLContext:
    """A context that takes any certificate, for one that is looked at afterwards; it has none of ours to show."""
    context = _bare_context()
    context.verify_mode = ssl.CERT_NONE
    return context


def _bare_context() -> ssl.SSLContext:
    # Not `create_default_context`, which writes the keys of the session to a file that the environment names (SEC-18).
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The names that RFC 5922 knows are others than those of the web: `verify` looks at them.
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    return context


class _Refused(ssl.SSLError):
    """A server is not accepted, in the middle of the handshake: of other errors the event loop makes a crash."""

    def __init__(self, why: TlsError) -> None:
        super().__init__(str(why))
        self.why = why


def _wary(params: TlsParams, *, web: bool) -> type[ssl.SSLObject]:
    """A session that looks whose certificate it got before it shows ours (TLS-9).

    Ours is part of the last thing that is sent in the handshake, so what OpenSSL has written must not be sent before.
    """

    class Wary(ssl.SSLObject):
        looked = False

        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except ssl.SSLWantReadError:
                self._look()
                raise
            self._look()

        def _look(self) -> None:
            chain = () if self.looked else _sent_chain(self)
            if not chain:
                return
            self.looked = True
            try:
                _accepted(chain[0], self.server_hostname or "", params, web=web)
            except TlsError as error:
                raise _Refused(error) from None

    return Wary


def _make(params: TlsParams, _states: tuple[object, ...], web: bool) -> ssl.SSLContext:
    context = _bare_context()
    if params.insecure_skip_verify or params.pins_suffice:
        context.verify_mode = ssl.CERT_NONE
    elif params.ca_file is not None or params.ca_data is not None:
        context.load_verify_locations(cafile=params.ca_file, cadata=params.ca_data)
    else:
        context.load_default_certs()
    if params.client_cert is not None:
        with ExitStack() as stack:
            certificate = stack.enter_context(_file(params.client_cert))
            key = None if params.client_key is None else stack.enter_context(_file(params.client_key))
            # Without a password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(certificate, key, password=params.key_password or "")
        if not params.insecure_skip_verify:
            context.sslobject_class = _wary(params, web=web)
    return context


@contextmanager
def _file(text: str) -> Iterator[str]:
    """A path for what OpenSSL reads from files only; a key in memory does not get to a disk where that can be."""
    if not is_pem(text):
        yield text
    elif hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("aiosipreg"), "w") as memory:
            memory.write(text)
            memory.flush()
            yield f"/proc/self/fd/{memory.fileno()}"
    else:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "pem")
            path.touch(0o600)
            path.write_text(text, "utf-8")
            yield str(path)
