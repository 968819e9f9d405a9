"""The public contract: what users write against is there and documented, and nothing else is public."""

from __future__ import annotations

import dataclasses
import inspect
import os
import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest

import aiosipreg
import aiosipreg.linphonerc
import aiosipreg.testing
import aiosipreg.wire

NAMES = {
    "aiosipreg": """
        AiosipregError AuthChallenge AuthInfo AuthProvider AuthenticationFailed Binding ConfigError Core
        CoreClosedError DigestPolicy DnsParams Draft ExpiresIn FileStore IncomingRequest KeepAlive NatMode OutboundFlow
        Pacing ParseError ProxyConfig ProxyParams Reason Redirect RegistrationError RegistrationEvent
        RegistrationRejected RegistrationState RegistrationTimeout RetryPolicy ServerUnreachable SipTimers Stats
        TlsParams TransportParams WebSocketParams
    """,
    "aiosipreg.wire": """
        CSeq Challenge Framer Headers Message NameAddr OtherUri ParamValue Params ParseError Ping Request Response
        SipUri Via Warning is_token parse_message parse_uri quote unquote
    """,
    "aiosipreg.linphonerc": "Entry Imported load parse",
    "aiosipreg.testing": """
        Address Connection DeadlockError Faults Flow Hook Link Packet Registrar ScriptedRegistrar StoredBinding
        StreamFaults VirtualClockLoop VirtualNetwork run
    """,
}

REQUEST = aiosipreg.wire.Request("REGISTER", "sip:titi.com")
RESPONSE = aiosipreg.wire.Response(200, "OK")

MEMBERS: dict[object, str] = {
    aiosipreg.Core: """
        add_auth_info add_proxy_config auth_infos clear_auth_infos clear_proxy_configs default_proxy_config events
        network_reachable proxy_config proxy_configs refresh_registers remove_auth_info remove_proxy_config start stats
        stop __aenter__ __aexit__
    """,
    aiosipreg.ProxyConfig: """
        binding bindings clear_bindings contact core edit events expires_at fetch_bindings id identity last_event params
        refresh refresh_at register registered retry_at server service_route state unregister wait_for
    """,
    aiosipreg.Draft: "discard done __enter__ __exit__",
    aiosipreg.ProxyParams: "replace",
    aiosipreg.Reason: "from_status",
    REQUEST: "body call_id contacts cseq expires from_ headers method routes to uri via vias __bytes__",
    RESPONSE: """
        associated_uris body call_id challenges contacts cseq expires headers min_expires path reason retry_after
        service_route status via vias __bytes__
    """,
    aiosipreg.testing.Registrar: """
        answer_next bindings break_next connections host kill_connections options pings port ports requests
        restart uri uri_of wait_for_request __aenter__ __aexit__
    """,
}

ARGUMENTS = {
    aiosipreg.Core: """
        auth user_agent transports tls dns timers retry digest store auth_timeout shutdown_timeout on_request
    """,
    aiosipreg.ProxyParams: """
        identity server routes register expires realm auth contact_params contact_uri_params headers supported
        instance_id nat depends_on unregister_at_stop ref_key id
    """,
    aiosipreg.AuthInfo: "username userid password ha1 algorithm realm domain",
    aiosipreg.SipTimers: "t1 t2 t4",
    aiosipreg.RetryPolicy: "base max jitter max_attempts",
    aiosipreg.TransportParams: "udp tcp tls bind dscp",
    aiosipreg.TlsParams: "ca_file ca_data context wildcards",
    aiosipreg.DnsParams: "nameservers timeout",
    aiosipreg.testing.Registrar: "users host port transports tls",
}

FIELDS = {
    aiosipreg.RegistrationEvent: """
        proxy_config identity server old state reason status phrase warnings message binding expires_at retry_at
        retry_after target at missed
    """,
    aiosipreg.Binding: "contact expires expires_at q instance_id reg_id pub_gruu temp_gruu params",
    aiosipreg.AuthChallenge: "proxy_config username realm domain scheme algorithms attempt secure stale server",
}

ERRORS: dict[type[Exception], tuple[type[Exception], ...]] = {
    aiosipreg.ConfigError: (aiosipreg.AiosipregError, ValueError),
    aiosipreg.ParseError: (aiosipreg.AiosipregError, ValueError),
    aiosipreg.CoreClosedError: (aiosipreg.AiosipregError, RuntimeError),
    aiosipreg.RegistrationError: (aiosipreg.AiosipregError,),
    aiosipreg.RegistrationTimeout: (aiosipreg.RegistrationError, TimeoutError),
    aiosipreg.RegistrationRejected: (aiosipreg.RegistrationError,),
    aiosipreg.AuthenticationFailed: (aiosipreg.RegistrationError,),
    aiosipreg.ServerUnreachable: (aiosipreg.RegistrationError,),
}

AWAITABLE = """
    Core.start Core.stop Core.remove_proxy_config Core.clear_proxy_configs Core.refresh_registers
    ProxyConfig.register ProxyConfig.refresh ProxyConfig.registered ProxyConfig.unregister ProxyConfig.wait_for
    ProxyConfig.fetch_bindings ProxyConfig.clear_bindings
"""


@pytest.mark.parametrize("module", NAMES)
def test_a_package_offers_these_names_and_no_others(module: str) -> None:
    package = import_module(module)
    assert package.__all__ == sorted(NAMES[module].split())
    for name in package.__all__:
        assert getattr(package, name) is not None


@pytest.mark.parametrize(("owner", "names"), MEMBERS.items())
def test_members_are_there(owner: object, names: str) -> None:
    assert [name for name in names.split() if inspect.getattr_static(owner, name, None) is None] == []


@pytest.mark.parametrize(("owner", "names"), ARGUMENTS.items())
def test_constructors_take_these_arguments(owner: type, names: str) -> None:
    assert set(names.split()) - set(inspect.signature(owner).parameters) == set()


@pytest.mark.parametrize(("owner", "names"), FIELDS.items())
def test_values_have_these_fields(owner: Any, names: str) -> None:
    derived = {name for name, value in vars(owner).items() if isinstance(value, property)}
    assert set(names.split()) - {field.name for field in dataclasses.fields(owner)} - derived == set()
    assert owner.__dataclass_params__.frozen


@pytest.mark.parametrize(("error", "bases"), ERRORS.items())
def test_errors_can_be_caught_by_kind(error: type[Exception], bases: tuple[type[Exception], ...]) -> None:
    assert issubclass(error, bases[0])
    assert issubclass(error, bases[-1])


@pytest.mark.parametrize("name", AWAITABLE.split())
def test_what_takes_time_is_awaited(name: str) -> None:
    owner, _, method = name.partition(".")
    assert inspect.iscoroutinefunction(getattr(getattr(aiosipreg, owner), method))


def test_states_are_those_of_the_model() -> None:
    assert [str(state) for state in aiosipreg.RegistrationState] == [
        "None", "Progress", "Ok", "Refreshing", "Cleared", "Failed",
    ]  # fmt: skip


def undocumented(package: Any) -> list[str]:
    found = []
    for name in package.__all__:
        thing = getattr(package, name)
        if not inspect.isclass(thing) and not inspect.isroutine(thing):
            continue
        if not inspect.getdoc(thing):
            found.append(name)
        for member, value in vars(thing).items() if inspect.isclass(thing) else ():
            described = isinstance(value, property) or inspect.isroutine(getattr(thing, member))
            if described and not member.startswith("_") and not inspect.getdoc(value):
                found.append(f"{name}.{member}")
    return found


@pytest.mark.parametrize(
    "package",
    [aiosipreg, aiosipreg.wire, aiosipreg.linphonerc, aiosipreg.testing],
    ids=lambda package: package.__name__,
)
def test_every_public_name_says_what_it_is(package: Any) -> None:
    # Functions that are compiled keep no text.
    bare = (
        {"is_token", "quote", "unquote"} if package is aiosipreg.wire and "AIOSIPREG_COMPILED" in os.environ else set()
    )
    assert set(undocumented(package)) == bare


def test_importing_the_package_loads_nothing_that_it_does_not_need() -> None:
    code = "import sys, aiosipreg; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    loaded = set(result.stdout.split())
    assert "aiosipreg.core" in loaded
    assert loaded & {"aiosipreg.testing", "aiosipreg.cli", "click", "rich", "uvloop", "pytest", "dns"} == set()
