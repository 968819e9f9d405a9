"""The floor under a registration: straight-line code on a socket that is drained at each wake-up.

It reads every header by split, answers by three hashes, writes by f-string, finds the account by the branch in a dict,
and has one timer handle of the event loop for each account, set anew with every message. There is no state machine, no
check, no event and no other server; what a complete client costs beyond this is the price of completeness.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
from random import getrandbits

from benchmarks.accounts import PATIENCE, WINDOW
from benchmarks.null_registrar import REALM

__all__ = ["Floor"]

_LARGEST = 65_535
_T1 = 0.5


class _Account:
    """What is kept of one account."""

    __slots__ = ("call_id", "cseq", "nc", "nonce", "tag", "timer", "user")

    def __init__(self, user: str) -> None:
        self.user = user
        self.call_id = f"{getrandbits(128):032x}"
        self.tag = f"{getrandbits(64):016x}"
        self.cseq = self.nc = 0
        self.nonce = ""
        self.timer: asyncio.TimerHandle | None = None


class Floor:
    """So many accounts at the null registrar.

    Args:
        port: Of the registrar.
        accounts: How many.
    """

    def __init__(self, port: int, accounts: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._accounts = [_Account(f"user{number}") for number in range(accounts)]
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(("127.0.0.1", port))
        self._port = self._socket.getsockname()[1]
        self._waiting: dict[str, _Account] = {}
        self._next = self._done = 0
        self._all: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._socket, self._readable)

    async def register(self) -> None:
        """Register all accounts, or renew them."""
        self._next = self._done = 0
        self._all = self._loop.create_future()
        for _ in range(min(WINDOW, len(self._accounts))):
            self._begin()
        await asyncio.wait_for(self._all, PATIENCE)

    def close(self) -> None:
        """Close the socket, and stop the timers."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for account in self._accounts:
            if account.timer is not None:
                account.timer.cancel()

    def _begin(self) -> None:
        account = self._accounts[self._next]
        self._next += 1
        self._send(account)

    def _send(self, account: _Account) -> None:
        branch = f"z9hG4bK{getrandbits(64):016x}"
        account.cseq += 1
        user, here = account.user, f"127.0.0.1:{self._port}"
        self._socket.send(
            f"REGISTER sip:{REALM} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {here};rport;branch={branch}\r\n"
            "Max-Forwards: 70\r\n"
            f"From: <sip:{user}@{REALM}>;tag={account.tag}\r\n"
            f"To: <sip:{user}@{REALM}>\r\n"
            f"Call-ID: {account.call_id}\r\n"
            f"CSeq: {account.cseq} REGISTER\r\n"
            f"Contact: <sip:{user}@{here}>;expires=3600\r\n"
            "Expires: 3600\r\n"
            f"{_authorization(account) if account.nonce else ''}"
            "Supported: path\r\n"
            "User-Agent: floor\r\n"
            "Content-Length: 0\r\n\r\n".encode()
        )
        self._waiting[branch] = account
        self._set(account, _T1)

    def _set(self, account: _Account, seconds: float) -> None:
        if account.timer is not None:
            account.timer.cancel()
        account.timer = self._loop.call_later(seconds, self._send, account)

    def _readable(self) -> None:
        try:
            while True:
                self._received(self._socket.recv(_LARGEST))
        except BlockingIOError:
            return

    def _received(self, data: bytes) -> None:
        start, *lines = data.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        account = self._waiting.pop(headers["via"].rpartition("branch=")[2].partition(";")[0], None)
        if account is None:
            return
        if start.startswith("SIP/2.0 401"):
            account.nonce = headers["www-authenticate"].partition('nonce="')[2].partition('"')[0]
            account.nc = 0
            self._send(account)
            return
        self._set(account, 0.9 * float(headers["expires"]))
        self._done += 1
        if self._next < len(self._accounts):
            self._begin()
        elif self._done == len(self._accounts):
            self._all.set_result(None)


def _authorization(account: _Account) -> str:
    account.nc += 1
    nc, cnonce = f"{account.nc:08x}", f"{getrandbits(64):016x}"
    ha1 = hashlib.md5(f"{account.user}:{REALM}:secret".encode()).hexdigest()
    ha2 = hashlib.md5(f"REGISTER:sip:{REALM}".encode()).hexdigest()
    response = hashlib.md5(f"{ha1}:{account.nonce}:{nc}:{cnonce}:auth:{ha2}".encode()).hexdigest()
    return (
        f'Authorization: Digest username="{account.user}", realm="{REALM}", nonce="{account.nonce}", '
        f'uri="sip:{REALM}", response="{response}", algorithm=MD5, cnonce="{cnonce}", qop=auth, nc={nc}\r\n'
    )
