"""aiosipreg/testing/framing.py: messages of a stream, and what WebSocket needs."""

from __future__ import annotations

import sys

import pytest

from aiosipreg.testing.framing import StreamFraming, web_socket_framing
from aiosipreg.testing.registrar import Registrar
from tests.testing.requests import register


def test_a_stream_is_cut_into_messages_and_keep_alives() -> None:
    framing = StreamFraming()
    data = register(body="body")
    assert framing.feed(data + b"\r\n\r\n\r\n" + data[:50]) == ([data, b"\r\n\r\n", b"\r\n"], b"")
    assert framing.feed(data[50:]) == ([data], b"")
    assert not framing.broken


def test_what_was_whole_before_the_stream_broke_is_not_lost() -> None:
    framing = StreamFraming()
    data = register()
    assert framing.feed(data + b"HELO\r\n\r\n") == ([data], b"")
    assert framing.broken
    assert framing.feed(data) == ([], b"")


def test_the_library_for_websocket_is_asked_for_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "websockets"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "aiosipreg.testing.websocket", raising=False)
    monkeypatch.setitem(sys.modules, "websockets.frames", None)
    Registrar(transports=["udp", "tcp"])
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'aiosipreg\[ws\]'"):
        web_socket_framing()
    with pytest.raises(ModuleNotFoundError, match=r"aiosipreg\[ws\]"):
        Registrar(transports=["ws"])
