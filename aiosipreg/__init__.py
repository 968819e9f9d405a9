"""Keeps SIP accounts registered: an asyncio framework modelled on liblinphone's proxy configuration.

>>> import aiosipreg
>>> aiosipreg.ProxyParams("sip:toto@sip.titi.com").expires
3600
"""

from __future__ import annotations

from aiosipreg.auth import AuthChallenge, AuthInfo, AuthProvider
from aiosipreg.core import Core
from aiosipreg.draft import Draft
from aiosipreg.engine.binding import Binding
from aiosipreg.engine.keepalive import KeepAlive
from aiosipreg.engine.pacing import Pacing
from aiosipreg.engine.policy import DigestPolicy
from aiosipreg.engine.timers import RetryPolicy, SipTimers
from aiosipreg.engine.uas import IncomingRequest
from aiosipreg.errors import (
    AiosipregError,
    AuthenticationFailed,
    ConfigError,
    CoreClosedError,
    ParseError,
    RegistrationError,
    RegistrationRejected,
    RegistrationTimeout,
    ServerUnreachable,
)
from aiosipreg.net.stats import Stats
from aiosipreg.params import ExpiresIn, NatMode, ProxyParams, Redirect
from aiosipreg.proxy import ProxyConfig
from aiosipreg.settings import DnsParams, TlsParams, TransportParams, WebSocketParams
from aiosipreg.states import OutboundFlow, Reason, RegistrationEvent, RegistrationState
from aiosipreg.store import FileStore

__all__ = [
    "AiosipregError",
    "AuthChallenge",
    "AuthInfo",
    "AuthProvider",
    "AuthenticationFailed",
    "Binding",
    "ConfigError",
    "Core",
    "CoreClosedError",
    "DigestPolicy",
    "DnsParams",
    "Draft",
    "ExpiresIn",
    "FileStore",
    "IncomingRequest",
    "KeepAlive",
    "NatMode",
    "OutboundFlow",
    "Pacing",
    "ParseError",
    "ProxyConfig",
    "ProxyParams",
    "Reason",
    "Redirect",
    "RegistrationError",
    "RegistrationEvent",
    "RegistrationRejected",
    "RegistrationState",
    "RegistrationTimeout",
    "RetryPolicy",
    "ServerUnreachable",
    "SipTimers",
    "Stats",
    "TlsParams",
    "TransportParams",
    "WebSocketParams",
]
