"""How each of the other clients is started, and what is taken of it.

Where a client does not measure itself, its whole process is taken, and what it costs to do nearly nothing subtracted.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.accounts import WINDOW
from benchmarks.measure import Sample
from benchmarks.programs import HERE, Child, UnavailableError, built

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.null_registrar import NullRegistrar

__all__ = ["PEERS", "Peer"]

_PATIENCE = 45.0
_SCENARIO = HERE / "peers" / "sipp.xml"
_COLUMNS = """
    id(int,auto) l_uuid(string) l_username(string) l_domain(string) r_username(string) r_domain(string) realm(string)
    auth_username(string) auth_password(string) auth_ha1(string,null) auth_proxy(string) expires(int) flags(int)
    reg_delay(int) contact_addr(string,null) socket(string,null)
"""
_KAMAILIO = """
debug=0
log_stderror=yes
children=1
disable_tcp=yes
listen=udp:127.0.0.1:{port}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "db_text.so"
loadmodule "uac.so"
modparam("uac", "reg_db_url", "text://{directory}")
modparam("uac", "reg_contact_addr", "127.0.0.1:{port}")
modparam("uac", "restore_mode", "none")
modparam("uac", "reg_timer_interval", 2)
modparam("uac", "reg_retry_interval", 2)
request_route {{ exit; }}
"""


_BARESIP = """
sip_listen 127.0.0.1:0
module_path /usr/lib/baresip/modules
module_app account.so
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another client.

    Attributes:
        measure: Registers so many accounts on a CPU; raises `UnavailableError`.
        most: With how many accounts at most, because it takes too long with more.
    """

    measure: Callable[[NullRegistrar, int, int], Sample]
    most: int


def sipp(registrar: NullRegistrar, accounts: int, cpu: int) -> Sample:
    """SIPp, whose scenario ends after so many calls."""
    program = _program("sipp")
    with tempfile.TemporaryDirectory() as directory:
        users = Path(directory) / "users.csv"
        users.write_text("SEQUENTIAL\n" + "".join(
            f"user{number};[authentication username=user{number} password=secret];\n" for number in range(accounts)
        ))  # fmt: skip

        def calls(number: int) -> Sample:
            command = [
                program, "-sf", _SCENARIO, "-inf", users, "-i", "127.0.0.1", "-m", number, "-l", WINDOW, "-r", 100_000,
                "-nostdin", "-timeout", 120, "-timeout_error", f"127.0.0.1:{registrar.port}",
            ]  # fmt: skip
            with Child(command, cpu, directory) as child:
                return child.ended()

        return _slope(calls, accounts)


def libre(registrar: NullRegistrar, accounts: int, cpu: int) -> Sample:
    """libre, by a program in C."""
    return _said([built("peers/libre_client.c", "libre"), registrar.port, accounts], accounts, cpu)


def baresip(registrar: NullRegistrar, accounts: int, cpu: int) -> Sample:
    """Baresip itself, with a file of accounts."""
    program = _program("baresip")

    def registrations(number: int) -> Sample:
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "config").write_text(_BARESIP)
            Path(directory, "accounts").write_text("".join(
                f"<sip:user{account}@sip.titi.com>;auth_pass=secret;outbound=\"sip:127.0.0.1:{registrar.port}\"\n"
                for account in range(number)
            ))  # fmt: skip
            until = registrar.grants + number
            with Child([program, "-f", directory], cpu, directory) as child:
                _await_grants(child, registrar, until)
                # It would unregister them.
                return child.stopped(kill=True)

    return _slope(registrations, accounts)


def pjsip(_registrar: NullRegistrar, _accounts: int, _cpu: int) -> Sample:
    """pjsip, which has no program here because Debian 12 has no library to build one on."""
    raise UnavailableError("not measured: no package of Debian 12")


def liblinphone(registrar: NullRegistrar, accounts: int, cpu: int) -> Sample:
    """liblinphone, by a program in C."""
    # Debian's linphone.pc names the libraries below liblinphone and forgets the library itself.
    program = built("peers/linphone_client.c", "linphone", libraries=("linphone",))
    return _said([program, registrar.port, accounts], accounts, cpu)


def kamailio(registrar: NullRegistrar, accounts: int, cpu: int) -> Sample:
    """Kamailio's uac module, all processes together."""
    program = _program("kamailio")

    def registrations(number: int) -> Sample:
        with tempfile.TemporaryDirectory() as directory:
            _configure(Path(directory), registrar.port, number)
            command = [program, "-DD", "-E", "-f", "kamailio.cfg", "-m", 512, "-P", f"{directory}/pid", "-Y", directory]
            with Child(command, cpu, directory) as child:
                until, ends_at = registrar.grants + number, time.monotonic() + _PATIENCE
                while registrar.grants < until and not child.is_over():
                    if time.monotonic() > ends_at:
                        raise UnavailableError(f"kamailio did not register {number} accounts within {_PATIENCE:g} s")
                    time.sleep(0.02)
                return child.stopped()

    return _slope(registrations, accounts)


PEERS = {
    "SIPp": Peer(sipp, 10_000),
    "libre": Peer(libre, 10_000),
    "baresip": Peer(baresip, 1_000),
    "pjsip": Peer(pjsip, 0),
    "liblinphone": Peer(liblinphone, 100),
    "Kamailio uac": Peer(kamailio, 10_000),
}


def _program(name: str) -> str:
    program = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        raise UnavailableError(f"{name} is not installed")
    return program


def _await_grants(child: Child, registrar: NullRegistrar, until: int) -> None:
    """Wait until the registrar has agreed so often, or the client is over."""
    while registrar.grants < until and not child.is_over():
        time.sleep(0.02)


def _slope(run: Callable[[int], Sample], accounts: int) -> Sample:
    """What one account costs, from a run with few of them and one with all."""
    few = max(min(WINDOW, accounts // 2), 1)
    base, whole = run(few), run(accounts)
    more = max(accounts - few, 1)
    return Sample((whole.cpu - base.cpu) / more, (whole.wall - base.wall) / more)


def _said(command: Sequence[object], accounts: int, cpu: int) -> Sample:
    """What a program says that measures itself: CPU and wall seconds."""
    with tempfile.TemporaryDirectory() as directory, Child(command, cpu, directory) as child:
        seconds = [float(word) for word in child.output().split()]
    return Sample(seconds[0] / accounts * 1e6, seconds[1] / accounts * 1e6)


def _configure(directory: Path, registrar: int, accounts: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    (directory / "kamailio.cfg").write_text(_KAMAILIO.format(port=port, directory=directory))
    (directory / "version").write_text("table_name(string) table_version(int)\nuacreg:5\n")
    rows = [" ".join(_COLUMNS.split())]
    rows += [
        f"{number + 1}:u{number}:user{number}:sip.titi.com:user{number}:sip.titi.com:sip.titi.com:user{number}:secret::"
        f"sip\\:127.0.0.1\\:{registrar}:3600:0:0::"
        for number in range(accounts)
    ]
    (directory / "uacreg").write_text("\n".join(rows) + "\n")
