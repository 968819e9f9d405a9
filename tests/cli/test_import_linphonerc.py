"""aiosipreg/cli/import_linphonerc.py: a file of liblinphone, shown without its secrets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.shell import SECRET, invoke

if TYPE_CHECKING:
    from pathlib import Path

HA1 = "0123456789abcdef0123456789abcdef"
GOOD = f"""
[sip]
sip_port=5070
bind_address=192.0.2.1,2001:db8::1
user_agent=Toto/1.0
default_proxy=1
client_cert_key=/key.pem
[digest_authentication_policy]
allow_md5=0
[proxy_0]
reg_proxy=<sip:sip.titi.com:5080>
reg_identity="Toto" <sip:toto@titi.com>
reg_route=<sip:edge.titi.com;lr>
idkey=first
reg_sendregister=0
contact_uri_parameters=pn-tok={SECRET}
x-custom-property:key={SECRET}
[proxy_1]
reg_proxy=sip.titi.com
reg_identity=sip:titi@titi.com
reg_expires=60
depends_on=first
[auth_info_0]
username=toto
passwd={SECRET}
client_secret={SECRET}
[auth_info_1]
username=titi
ha1={HA1}
realm=titi.com
domain=titi.com
client_cert_chain=/titi.pem
[auth_info_2]
username=tata
client_cert_chain=/tata.pem
client_cert_key_password={SECRET}
"""
TABLE = """\
accounts: 2
           identity           registrar              lifetime  besides
           sip:toto@titi.com  sip:sip.titi.com:5080  3600 s    not registering, through sip:edge.titi.com;lr
  default  sip:titi@titi.com  sip:sip.titi.com       60 s      when first is registered
credentials: 3
  user  secret                  realm     domain
  toto  password                any       any
  titi  HA1 (MD5), certificate  titi.com  titi.com
  tata  certificate             any       any
settings of the core: 4
  setting                   value
  user_agent                Toto/1.0
  transports.udp            5070
  transports.bind           192.0.2.1 2001:db8::1
  digest.minimum_algorithm  SHA-256
no equivalent here: 3
  section        keys
  [sip]          client_cert_key
  [proxy_0]      x-custom-property:key
  [auth_info_0]  client_secret
problems: none
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "linphonerc"


def test_people_get_tables(file: Path) -> None:
    file.write_text(GOOD, encoding="utf-8")
    result = invoke("import-linphonerc", str(file))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == TABLE


def test_programs_get_one_object(file: Path) -> None:
    file.write_text(GOOD, encoding="utf-8")
    result = invoke("import-linphonerc", str(file), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1
    found = json.loads(result.stdout)
    assert list(found) == [
        "accounts", "default", "auth_infos", "user_agent", "transports", "digest", "retry", "unknown", "problems",
    ]  # fmt: skip
    assert found["accounts"][0] == {
        "identity": "sip:toto@titi.com",
        "server": "sip:sip.titi.com:5080",
        "routes": ["sip:edge.titi.com;lr"],
        "register": False,
        "expires": 3600,
        "realm": None,
        "contact_params": [],
        "contact_uri_params": ["pn-tok"],
        "supported": None,
        "instance_id": None,
        "nat": "auto",
        "depends_on": None,
        "unregister_at_stop": True,
        "ref_key": None,
        "id": "first",
        "refresh_window": None,
    }
    assert found["default"] == 1
    nothing = {"userid": None, "certificate": False, "algorithm": None, "realm": None, "domain": None}
    assert found["auth_infos"] == [
        {**nothing, "username": "toto", "secret": "password"},
        {
            **nothing,
            "username": "titi",
            "secret": "ha1",
            "certificate": True,
            "realm": "titi.com",
            "domain": "titi.com",
        },
        {**nothing, "username": "tata", "secret": "certificate", "certificate": True},
    ]
    assert found["transports"] == {
        "udp": 5070,
        "tcp": 0,
        "tls": 0,
        "websockets": [],
        "bind": ["192.0.2.1", "2001:db8::1"],
        "dscp": 0,
    }
    assert found["unknown"][0] == {"section": "sip", "key": "client_cert_key"}
    assert found["problems"] == []


@pytest.mark.parametrize("arguments", [(), ("--json",)])
@pytest.mark.parametrize("text", [GOOD, GOOD.replace("reg_proxy=", f"reg_proxy=sip:x:{SECRET}@")])
def test_no_secret_is_shown(file: Path, text: str, arguments: tuple[str, ...]) -> None:
    file.write_text(text, encoding="utf-8")
    result = invoke("import-linphonerc", str(file), *arguments)
    assert SECRET not in result.output
    assert json.dumps(SECRET)[1:-1] not in result.output
    assert HA1 not in result.output


def test_exit_code_1_there_are_problems(file: Path) -> None:
    file.write_text("[proxy_0]\nreg_identity=sip:toto@titi.com\n", encoding="utf-8")
    result = invoke("import-linphonerc", str(file))
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout == (
        "accounts: none\ncredentials: none\nsettings of the core: none\nno equivalent here: none\nproblems: 1\n"
        "  [proxy_0] reg_proxy: is missing; the account is left out\n"
    )
    result = invoke("import-linphonerc", str(file), "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    assert json.loads(result.stdout)["problems"] == ["[proxy_0] reg_proxy: is missing; the account is left out"]


def test_exit_code_1_no_such_file(file: Path) -> None:
    for arguments in ((), ("--json",)):
        result = invoke("import-linphonerc", str(file), *arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == "Error: the file cannot be read: No such file or directory\n"


def test_text_of_the_file_does_not_steer_the_terminal(file: Path) -> None:
    file.write_bytes(b"[s\x1b[2J]\nk\x1b[2J=1\nk\x1b[2J=2\n\xe9=1\n")
    for arguments in ((), ("--json",)):
        result = invoke("import-linphonerc", str(file), *arguments)
        assert "\x1b" not in result.stdout
        assert result.exit_code == 1
