"""The test cases of liblinphone and belle-sip about registrations, and where each one is proved here.

A row either has tests, or says why it has none: it waits for something that is not built yet, or it is out of scope.
Where only a part of it waits it has both. `test_rows.py` proves that every row is here and that every test exists, and
`page.py` makes docs/moving/parity.md of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["SUITES", "Row", "Suite"]

BEARER = "bearer tokens (RFC 8898)"
PUSH = "push notification (RFC 8599)"
HTTP_PROXY = "connections through an HTTP proxy (CONNECT)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One test case of liblinphone or belle-sip.

    Attributes:
        number: Its number in the suite.
        name: What it is called there.
        checks: What is checked here.
        tests: Our tests, as pytest names them; one without a path is in this directory.
        better: Where we do better on purpose, or other.
        waits: What it waits for; with tests, what a part of it waits for.
        out: Why it is out of scope.
    """

    number: int
    name: str
    checks: str = ""
    tests: tuple[str, ...] = ()
    better: str = ""
    waits: str = ""
    out: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """One suite.

    Attributes:
        key: The word that the names of our tests begin with.
        title: What it is called there.
        source: The file it is in.
        rows: Its test cases.
    """

    key: str
    title: str
    source: str
    rows: tuple[Row, ...]


def suite(key: str, title: str, source: str, *rows: Row) -> Suite:
    """A suite whose rows know the names of their tests."""
    return Suite(key, title, source, tuple(_named(key, row) for row in rows))


def _named(key: str, row: Row) -> Row:
    if row.tests != OWN:
        return row
    slug = re.sub(r"[^a-z0-9]+", "_", row.name.lower()).strip("_")
    return Row(
        number=row.number, name=row.name, checks=row.checks, better=row.better, waits=row.waits,
        tests=(f"test_{key}_{row.number:02}_{slug}",),
    )  # fmt: skip


OWN = ("own",)


def here(number: int, name: str, checks: str, better: str = "", *, waits: str = "") -> Row:
    """A row with a test of its own, named after it."""
    return Row(number=number, name=name, checks=checks, better=better, waits=waits, tests=OWN)


def there(number: int, name: str, checks: str, *tests: str, better: str = "", waits: str = "") -> Row:
    """A row that tests elsewhere prove already."""
    return Row(number=number, name=name, checks=checks, tests=tests, better=better, waits=waits)


def waits(number: int, name: str, checks: str, what: str) -> Row:
    """A row that waits for something."""
    return Row(number=number, name=name, checks=checks, waits=what)


def out(number: int, name: str, why: str) -> Row:
    """A row that is out of scope."""
    return Row(number=number, name=name, out=why)


ROAMING = "tests/test_roaming.py::test_"

REGISTER = suite(
    "register", "Register", "register_tester.c",
    here(1, "Simple register", "Progress, then Ok once; nobody is asked for credentials; Cleared at the stop"),
    here(2, "Simple register unregister", "An open draft sends nothing; `done()` with `register=False` ends Cleared"),
    here(3, "TCP register", "The same over TCP"),
    here(4, "TCP register 2", "Over TCP, with a route that leads nowhere at first",
         "The route is used for REGISTER, so a wrong one is told instead of ignored"),
    here(5, "UDP register", "Over UDP, with a route that leads nowhere at first",
         "The route is used for REGISTER, so a wrong one is told instead of ignored"),
    here(6, "Register with custom headers", "Headers that are set while there is no network are in the first REGISTER; "
         "those of the answer can be read"),
    here(7, "TCP register compatibility mode", "TCP is chosen where DNS offers only TCP",
         "What DNS says decides, not which port happens to be open (RFC 3263)"),
    here(8, "TLS register", "Over TLS, with a good certificate"),
    here(9, "TLS register with server giving wrong name in certificate", "Failed, and the server gets no REGISTER",
         "The message has both names, and the setting that decides"),
    here(10, "TLS register with alt. name certificate", "Ok by the subject alternative name"),
    here(11, "TLS register with wildcard certificate", "Ok for two accounts"),
    here(12, "TLS certificate not verified", "Failed with the wrong authorities, Ok with the right one"),
    here(13, "TLS certificate against SRV target", "Failed, unless told to take the name of the SRV target",
         "The name is given, `extra_names`, not whatever DNS says"),
    here(14, "TLS certificate subjects check", "Failed with the pin of another key, Ok with that of the server's",
         "Pins and names, no regular expression over the subject"),
    here(15, "TLS certificate given by string instead of file", "An authority given as text"),
    here(16, "TLS with non tls server", "Failed within the time limit"),
    here(17, "Simple authenticated register", "An MD5 challenge is answered once; the nonce serves the removal too"),
    here(18, "Simple authenticated register SHA-256", "The same with SHA-256"),
    here(19, "Simple authenticated register SHA-256 from cleartext password", "SHA-256 from a clear password",
         "The password is stored nowhere and shown nowhere; liblinphone writes a file"),
    here(20, "Ha1 authenticated register", "MD5 from a stored hash"),
    here(21, "Ha1 authenticated register SHA-256", "SHA-256 from a stored hash"),
    here(22, "Digest auth without initial credentials", "The provider is asked once"),
    here(23, "Digest auth with wrong credentials", "403 with its phrase, no warnings",
         "A wrong password is sent once, not again and again"),
    here(24, "Digest auth with wrong credentials, check if registration attempts are stopped",
         "No more attempts after `register=False`", "Slow retries after 403 are a choice, `retry_403`"),
    here(25, "Digest auth with wrong credentials without 403", "Failed, and no loop",
         "Final until something changes: two requests in a day"),
    here(26, "Authenticated register with wrong late credentials", "Two attempts, two failures",
         "The provider that knew nothing is not asked again"),
    here(27, "Authenticated register with late credentials", "Failed, then Ok as soon as there are credentials",
         "The reason says that nothing was refused yet"),
    here(28, "Authenticated register with provided credentials", "Credentials without realm and domain",
         "They answer the account's own servers only"),
    here(29, "Authenticated register with provided credentials, username with space", "An escaped user part"),
    here(30, "Register with refresh", "Renewed by itself"),
    here(31, "Register with custom refresh period", "Renewed between 20 and 50 % of the lifetime"),
    here(32, "Authenticated register with refresh", "Renewed by itself, and the provider is asked once"),
    here(33, "Register with refresh and send error", "A refresh that cannot be sent is repeated, without Failed",
         "Refreshing with the reason and `retry_at`, not Progress: the binding is alive"),
    here(34, "Multi account", "Four accounts at four registrars, over IPv4 and IPv6, by UDP, TCP and TLS"),
    here(35, "Transport changes", "Accounts of transports that are switched off fail, the others register",
         "Which there are is settled when the core is made"),
    here(36, "Transport configured with dontbind option", "No local port for TCP; then UDP by an edit"),
    here(37, "Proxy transport changes", "Another transport by an edit",
         "The removal of the old binding is told, under its name"),
    here(38, "Proxy transport changes with wrong address at first", "Failed, then Ok after an edit"),
    here(39, "Proxy transport changes with wrong address, giving up", "Failed, then a removal, then nothing more",
         "The removal is tried, because only the answer may have been lost"),
    here(40, "Change expires", "The new lifetime goes out at once and counts from then on",
         "Seconds are renewed at half time, so that one lost packet is no loss"),
    here(41, "Network state change", "No REGISTER without a network, all accounts Ok afterwards",
         "Refreshing with the reason, not None: the bindings are alive"),
    here(42, "Io recv error", "A broken connection: no Failed",
         "Refreshing with the reason and `retry_at`, not Progress: the binding is alive"),
    here(43, "Io recv error with recovery", "A new connection within two seconds"),
    here(44, "Io recv error with late recovery", "A new connection after a while",
         "Refreshing all the while, as long as the binding is alive"),
    here(45, "Io recv error without active registration", "No change of state"),
    here(46, "Simple redirect", "302 is followed, and refreshes go where it led"),
    here(47, "Global TLS client certificate authentication", "A client certificate with its key in one file; without "
         "one the server hangs up", "The alert of the server is in the message"),
    here(48, "Global TLS client certificate authentication using API", "The same as text"),
    here(49, "Global TLS client certificate authentication using API 2", "The same as paths"),
    here(50, "AuthInfo TLS client certificate authentication using API", "The same with the credentials of an account"),
    here(51, "AuthInfo TLS client certificate authentication using API 2", "The same as paths"),
    here(52, "Register get GRUU", "A GRUU from Kamailio", "The temporary one too; `contact` stays the Contact"),
    here(53, "Register get GRUU for multi device", "Two devices, two GRUUs, the same again after a restart"),
    here(54, "Update contact private IP address", "The Contact follows the public address, before the first Ok",
         "The same REGISTER takes the private Contact away"),
    here(55, "Register with specific client port", "The same local port at each start"),
    there(56, "Cleanup of unreliable channels", "A connection that leads nowhere any more is replaced",
          "test_register_56_cleanup_of_unreliable_channels",
          f"{ROAMING}TRA_12_a_connection_into_the_void_is_replaced_within_the_same_attempt",
          better="Not silence counts, but a request without an answer; on Linux, that nothing is acknowledged"),
    here(57, "MD5-based digest rejected by policy", "Failed without asking; the default policy allows MD5"),
    here(58, "Registration with custom contact", "A further Contact, and its removal",
         "Any number of them; they go when the account goes"),
    here(59, "Registration with IP version preference", "Of a name with both, the preferred family is used",
         "No switch: the family that the machine has a route for comes first, then the other one"),
    here(60, "Adding and removing custom headers between registers", "Headers come and go with each edit",
         "At the commit, not with the next change of something else"),
    out(61, "Lime user creation after registration", "chat encryption"),
    there(62, "Transport busy", "A local port that is taken is reported",
          "tests/test_core.py::TestRealSockets::test_a_port_that_is_taken_is_reported"),
)  # fmt: skip

ACCOUNT = suite(
    "account", "Account", "account_tester.cpp",
    here(1, "Simple account creation", "The list of accounts, the default, free text of the application",
         "Found by an id of which there is one, not by the first equal identity"),
    here(2, "Simple account creation with removal", "The binding is removed, Cleared is told, the object is freed"),
    here(3, "Simple account creation with removal offline", "It ends without an answer",
         "At once if the core knows that there is no network, else after `shutdown_timeout`; both are told"),
    here(4, "Simple account creation with removal and shutdown", "Removing and stopping at once: one removal"),
    here(5, "Default account removal", "Cleared; in the end there is no default account",
         "The role passes to the next account"),
    here(6, "Default account removal while refreshing", "Ends Cleared; the binding is gone"),
    here(7, "Added account removal (while REGISTERing)", "The answer is awaited, then the binding is removed"),
    here(8, "Added account removal (no REGISTER)", "Nothing is sent"),
    here(9, "Simple account params creation", "The defaults"),
    here(10, "Simple account params creation with contact parameters", "Both kinds, set, changed and taken away",
         "A copy keeps the two apart"),
    here(11, "Account dependency to self", "Is ignored"),
    here(12, "Registration state changed callback on account", "Every reader of one account's events gets all of them"),
    here(13, "No unregister when changing transport", "With a GRUU, another transport leaves one binding and the GRUU",
         "The old binding is removed all the same: a registrar keeps both (RFC 5627)"),
    there(14, "Unregister at stop", "With the flag off, nothing is sent at the stop and the binding stays",
          "tests/test_core.py::TestStop::test_F_43_unregister_at_stop_may_be_off"),
    here(15, "Account reconnection after multiple network changes", "Send errors, network away and back, three times",
         "Refreshing, not Failed, as long as the binding is alive"),
    here(16, "Supported tags handled by account (without gruu)", "No GRUU from Kamailio without the tag"),
    here(17, "Supported tags handled by account (empty list)", "No Supported header"),
    out(18, "Account chatrooms and call logs stay in DB when remove_account", "chat and calls"),
    here(19, "Chatrooms and call logs deleted when remove_account_with_data",
         "A removal is authenticated before the credentials go; chat and calls are out of scope"),
    waits(20, "Receiving a push token doesn't trigger a new register if push are disabled", "", PUSH),
    here(21, "Trying to set account params after core has been stopped", "No crash, no traffic",
         "The commit says why it cannot be"),
    waits(22, "Load a config with push parameters set", "", PUSH),
)  # fmt: skip

DEPENDENTS = "tests/test_dependents.py::test_"

PROXY_CONFIG = suite(
    "proxy_config", "Proxy config", "proxy_config_tester.c",
    out(1, "Phone normalization without proxy", "dialling"),
    out(2, "Phone normalization with proxy", "dialling"),
    out(3, "Phone normalization with dial escape plus", "dialling"),
    out(4, "SIP URI normalization", "dialling"),
    here(5, "Load new default value for proxy config", "`[proxy_default_values]` of an imported file"),
    here(6, "Single route", "Read back as set", "`lr` is added where it was forgotten"),
    here(7, "Multiple routes", "In order", "A malformed one is an error, not left out"),
    there(8, "Proxy dependency", "A dependent account has the Contact of its master",
          f"{DEPENDENTS}an_account_waits_for_the_one_it_depends_on_and_shares_its_contact"),
    there(9, "Dependent proxy dependency register", "It waits until the master is Ok",
          f"{DEPENDENTS}an_account_waits_for_the_one_it_depends_on_and_shares_its_contact",
          f"{DEPENDENTS}an_account_that_comes_later_finds_the_other_one_registered"),
    here(10, "Dependent proxy state changed", "Three dependents follow the master",
         "Their bindings are removed when the master fails; and a master may have several"),
    there(11, "Dependent proxy dependency removal", "It registers by itself when the master is removed",
          f"{DEPENDENTS}the_removal_of_the_other_one_makes_an_account_independent"),
    here(12, "Dependent proxy dependency with core reloaded", "By the id in a file, in either order, twice"),
    *(waits(number, f"Push notification params {part}", "", PUSH) for number, part in enumerate(
        ("(1)", "(2)", "(3)", "with two proxies and one push (1)", "with two proxies and one push (2)",
         "with two proxies and one push (3)", "with two proxies and both push (1)",
         "with two proxies and both push (2)", "with two proxies and both push (3)"), start=13)),
    waits(22, "Push notification params saved after core restart", "", PUSH),
    waits(23, "Remove push informations from contact uri parameters if core push are enabled", "", PUSH),
)  # fmt: skip

PROVISIONING = "HTTP provisioning"

BEARER_AUTH = suite(
    "bearer", "Bearer authentication", "bearer-auth.cpp",
    waits(1, "Bearer auth requested", "", BEARER),
    waits(2, "Bearer auth requested but failed", "", BEARER),
    waits(3, "Bearer auth set before", "", BEARER),
    waits(4, "Bearer auth with refresh", "", BEARER),
    waits(5, "Bearer auth with refresh non working", "", BEARER),
    *(out(number, f"Provisioning with http bearer auth{part}", PROVISIONING) for number, part in enumerate(
        ("", " requested on demand", ", access token is expired", ", access token is expired, client_secret required",
         ", access token is expired, refresh token is invalid", " requested, aborted by the user"), start=6)),
    waits(12, "Provisioning with http bearer providing SIP account using digest auth", "", BEARER),
    waits(13, "Provisioning with http bearer providing SIP account using digest auth 2", "", BEARER),
)  # fmt: skip

EDITS = "tests/engine/test_edits.py::test_"
FILE = "tests/linphonerc/test_file.py::test_"
URIS = "tests/wire/test_uri.py::test_"

SETUP = suite(
    "setup", "Setup", "setup_tester.c",
    there(1, "Linphone Address", "Parts, parameters, and what is no address",
          f"{URIS}URI_01_all_parts", f"{URIS}URI_03_GRM_46_50_51_no_sip_uris", f"{URIS}bare_and_replace"),
    there(2, "Linphone proxy config address equal (internal api)", "What is another address and what another spelling",
          f"{EDITS}REG_38_another_account_or_way_moves", f"{EDITS}another_spelling_is_no_change",
          better="`transport=udp` differs from none: by RFC 3263 the latter may lead to TCP"),
    there(3, "Linphone proxy config server address change (internal api)", "What a changed setting causes",
          f"{EDITS}what_one_changed_field_causes", "test_what_a_changed_setting_sends"),
    here(4, "Core init/uninit", "Cores come and go, and leave nothing running"),
    here(5, "Core init/stop/uninit", "The stop removes the binding; a second stop does nothing"),
    out(6, "Core init/unref", "there are no references to count"),
    here(7, "Core init/stop/start/uninit", "The account registers again",
         "Another start is another core, so nothing of the first one can be left"),
    there(8, "Core set user agent", "The header is as set, or left out",
          "tests/test_core.py::test_SEC_35_the_user_agent_can_be_set_and_left_out"),
    here(9, "Random transport port", "Two cores, two ports, none of them 0"),
    there(10, "LPConfig safety", "Any text can be read", f"{FILE}any_text_can_be_read"),
    there(11, "LPConfig from buffer", "Entries and sections", f"{FILE}an_entry", f"{FILE}a_section"),
    there(12, "LPConfig zero-length value from buffer", "An empty value says nothing",
          f"{FILE}comments_blank_lines_and_empty_values_say_nothing"),
    there(13, "LPConfig zero-length value from file", "A file is read like a text",
          f"{FILE}comments_blank_lines_and_empty_values_say_nothing",
          "tests/linphonerc/test_imported.py::test_a_file_is_read_as_octets"),
    out(14, "LPConfig zero-length value from XML", "remote provisioning"),
    out(15, "LPConfig invalid friend", "address book"),
    waits(16, "Clean auth infos", "Credentials that have expired are dropped", "credentials that expire"),
)  # fmt: skip

FLEXISIP = suite(
    "flexisip", "Flexisip", "flexisip_tester.c",
    here(1, "TLS authentication - client rejected due to CN mismatch", "Challenged instead; Failed without a password"),
    here(2, "TLS authentication - client rejected due to unrecognized certificate chain", "Failed; nobody is asked",
         "The alert of the server is in the message, and it is tried again"),
    here(3, "TLS authentication - client rejected due to unmatched certificate subject", "Failed for good by 403"),
    here(4, "Removing old tport on flexisip for the same client", "The server closes the old connection: it recovers"),
    here(5, "Protection against transport address re-assignation", "What was meant for another account gets 404"),
    here(6, "Registered contact does not have regid param", "Kamailio has the Contact as it was sent"),
)  # fmt: skip

TUNNEL = suite("tunnel", "Tunnel", "tunnel_tester.c", out(1, "Register on second tunnel", "tunnels"))

STATELESS = "every request has a transaction here"

BELLE_REGISTER = suite(
    "belle_register", "Register of belle-sip", "belle_sip_register_tester.c",
    here(1, "Stateful UDP", "Registered and unregistered"),
    here(2, "Stateful TCP", "The same over TCP"),
    here(3, "Stateful TLS", "The same over TLS"),
    out(4, "Stateless UDP", STATELESS),
    out(5, "Stateless TCP", STATELESS),
    out(6, "Stateless TLS", STATELESS),
    here(7, "Stateful UDP with keep-alive", "Registered, with keep-alives"),
    here(8, "Stateful UDP with network delay", "An answer after 3 s; copies of RFC 3261 until then"),
    here(9, "Stateful UDP with outbound proxy", "Registered through the route", "The Route header says so"),
    here(10, "Stateful UDP with send error", "Raised and told, with the time of the next attempt"),
    here(11, "Stateful TLS with wrong cname", "Failed, unless that name is allowed",
         "By name: a check that is off is off for every server"),
    waits(12, "Stateful TLS with http proxy", "Registered by CONNECT", HTTP_PROXY),
    waits(13, "Stateful TLS with wrong http proxy", "Failed", HTTP_PROXY),
    here(14, "Bad TCP request", "A request without its headers is dropped and counted; the stream goes on"),
    there(15, "Authenticate", "A challenge is answered once", "test_register_17_simple_authenticated_register"),
    waits(16, "Bearer auth", "", BEARER),
    here(17, "TLS client cert authentication", "Registered"),
    here(18, "TLS client cert bad ciphersuites", "Failed"),
    here(19, "Channel inactive", "A connection that nobody uses is closed after half a minute"),
    here(20, "Channel moving to error test and cleaned", "The next request opens another one, on the same local port"),
    here(21, "Channel moving to error test and cleaned with DONT_BIND", "The same without a local port"),
    here(22, "TCP connection failure", "An I/O error is told"),
    here(23, "TCP connection too long", "Five seconds for connecting"),
    here(24, "TLS connection too long", "Five seconds for the handshake"),
    here(25, "TLS connection to TCP server", "Five seconds for the handshake"),
    here(26, "Register with DNS SRV failover", "The next target answers: over UDP after the first one was silent, over "
         "TCP after it refused", "Refreshes stay with the server that has the binding"),
    here(27, "Register with DNS SRV failover TLS", "The same over TLS"),
    waits(28, "Register with DNS SRV failover TLS with http proxy", "The same by CONNECT", HTTP_PROXY),
    there(29, "Register with DNS load-balancing", "Weights of SRV records, by a chi-square test",
          "tests/engine/test_targets.py::test_DNS_12_weights_by_chi_square"),
    here(30, "Nonce reutilization", "A nonce is counted up; another realm asks for itself"),
    here(31, "Next Nonce", "Each announced nonce is used, without another challenge"),
    there(32, "Channel load", "Many accounts on one core", "tests/test_core.py::TestAccounts::test_many_accounts"),
    there(33, "UDP multiple channels single socket", "Answers find their account",
          "tests/test_core.py::TestRealSockets::test_both_families_and_many_accounts_on_one_core"),
    there(34, "UDP multiple channels multiple sockets", "Answers find their account on either socket",
          "tests/test_core.py::TestRealSockets::test_both_families_and_many_accounts_on_one_core"),
)  # fmt: skip

OTHER_METHODS = "presence"

REFRESHER = suite(
    "refresher", "Refresher of belle-sip", "belle_sip_refresher_tester.c",
    here(1, "REGISTER Expires header", "Renewed before the granted lifetime ends, which stands in the header",
         "At 81 to 90 %, drawn each time; Refreshing is told each time"),
    here(2, "REGISTER Expires in Contact", "The same, from the Contact"),
    here(3, "REGISTER digest", "A nonce without qop serves the refreshes"),
    here(4, "REGISTER digest auth", "A nonce with qop is counted up"),
    here(5, "REGISTER digest auth SHA-256", "The same with SHA-256"),
    here(6, "REGISTER digest auth MD_SHA", "Of two challenges the topmost one", "Or the strongest one, by policy"),
    here(7, "REGISTER digest auth MD_SHA ha1", "The one that the stored hash is for"),
    here(8, "REGISTER digest auth MD_SHA-256", "The one that the credentials are for"),
    here(9, "REGISTER digest auth MD_SHA-256 ha1", "The one that the stored hash is for"),
    here(10, "REGISTER with failure", "One failure is told, then it recovers"),
    here(11, "REGISTER failed because client does not allow MD5", "Failed, and not tried again"),
    here(12, "REGISTER failed because client requires qop=auth", "Failed, and not tried again"),
    here(13, "REGISTER successful with SHA-256 when MD5 is disabled", "The allowed challenge is answered"),
    here(14, "REGISTER with early refresher", "A refresh before the first answer follows it, once"),
    here(15, "REGISTER with retry after", "404 with Retry-After is repeated after that time",
         "Told as Failed with `retry_at`"),
    here(16, "REGISTER with unrecognizable Contact", "Without our Contact the wished lifetime counts",
         "That it was not listed is told, or is a failure with `strict_binding`"),
    here(17, "REGISTER UDP from ipv6 to ipv4", "The Contact is of the family of the server"),
    here(18, "REGISTER UDP from ipv4 to ipv6", "The Contact is of the family of the server"),
    there(19, "REGISTER UDP from ipv6 to ipv6 with ipv4", "A server whose IPv6 socket takes IPv4 along",
          "test_refresher_19_register_udp_from_ipv6_to_ipv6_with_ipv4"),
    there(20, "REGISTER UDP from ipv6 to ipv6 with ipv6", "Over IPv6 on both sides",
          "tests/test_core.py::TestRealSockets::test_a_life"),
    here(21, "REGISTER TCP from ipv6 to ipv4", "The same over TCP"),
    here(22, "REGISTER TCP from ipv4 to ipv6", "The same over TCP"),
    here(23, "REGISTER TCP from ipv6 to ipv6 with ipv4", "The same over TCP"),
    here(24, "REGISTER TCP from ipv6 to ipv6 with ipv6", "The same over TCP"),
    here(25, "REGISTER UDP from random port using AF_INET", "Another free port each time"),
    here(26, "REGISTER UDP from random port using AF_INET6", "Another free port each time"),
    here(27, "REGISTER TCP from random port using AF_INET", "The same over TCP"),
    here(28, "REGISTER TCP from random port using AF_INET6", "The same over TCP"),
    here(29, "REGISTER digest with next nonce", "The announced nonce is used, without qop"),
    here(30, "REGISTER digest auth with next nonce", "The announced nonce is used, counted from 1"),
    here(31, "REGISTER digest auth with bad next nonce", "It costs one more challenge, and nothing else"),
    here(32, "REGISTER with RFC5626 ping pong ok", "The flow is kept"),
    here(33, "REGISTER with RFC5626 ping pong nok", "The flow is closed, and another one registers"),
    here(34, "REGISTER with RFC5626 ping pong nok and without verification", "The flow is closed"),
    here(35, "REGISTER with RFC5626 ping pong not supported server-side", "No pong is awaited"),
    here(36, "REGISTER with RFC5626 ping pong erroneously supported server-side", "The flow is kept",
         "The flow is replaced, as RFC 5626 wants it, ever more rarely"),
    here(37, "Transactions using different channel banks", "Accounts that trust differently share no connection",
         "Nobody chooses: they share what they may share"),
    there(38, "REGISTER AND PUBLISH", "The nonce serves further requests; PUBLISH is out of scope",
          "test_refresher_04_register_digest_auth"),
    out(39, "SUBSCRIBE", OTHER_METHODS),
    out(40, "SUBSCRIBE of list", OTHER_METHODS),
    out(41, "PUBLISH", OTHER_METHODS),
    out(42, "PUBLISH with early refresher", OTHER_METHODS),
)  # fmt: skip

DIGEST = "tests/engine/test_digest.py::test_"

AUTH_HELPER = suite(
    "auth_helper", "Auth helper of belle-sip", "auth_helper_tester.c",
    there(1, "Proxy-Authenticate", "The answer goes into the header that belongs to the challenge",
          f"{DIGEST}AUTH_2_the_answer_goes_into_the_header_that_belongs_to_the_challenge"),
    there(2, "WWW-Authenticate", "Published answers", f"{DIGEST}AUTH_11_published_responses_from_credentials"),
    there(3, "WWW-Authenticate-sha", "Published answers", f"{DIGEST}AUTH_11_published_responses_from_credentials"),
    there(4, "WWW-Authenticate (with qop)", "Counter and client nonce",
          f"{DIGEST}AUTH_11_published_responses_from_credentials",
          f"{DIGEST}AUTH_16_nc_is_eight_lower_case_hex_digits"),
    there(5, "WWW-Authenticate-sha256 RFC7616 patterns", "The example of RFC 7616",
          f"{DIGEST}AUTH_9_published_responses_from_their_parts"),
    there(6, "WWW-Authenticate-MD5 RFC7616 patterns", "The example of RFC 7616",
          f"{DIGEST}AUTH_9_published_responses_from_their_parts"),
    out(7, "Generate and parse self signed certificates", "media encryption"),
    out(8, "Certificate fingerprint", "media encryption"),
)  # fmt: skip

RESOLVER_TESTS = "tests/net/test_resolver.py::test_"
TARGETS = "tests/engine/test_targets.py::test_"
CANCELLED = (
    f"{RESOLVER_TESTS}a_cancelled_waiter_does_not_cancel_the_others",
    f"{RESOLVER_TESTS}an_answer_that_nobody_waits_for_any_more_is_kept",
)
SERVICES = f"{RESOLVER_TESTS}DNS_1_4_5_6_8_9_10_13_25_against_nsd"
MDNS = "multicast DNS"

RESOLVER = suite(
    "resolver", "Resolver of belle-sip", "belle_sip_resolver_tester.c",
    there(1, "A query", "Addresses of a name", f"{RESOLVER_TESTS}DNS_10_every_address_of_a_bare_name_against_nsd"),
    there(2, "A query with CNAME", "Eight aliases are followed",
          f"{RESOLVER_TESTS}DNS_20_eight_cnames_are_followed_and_nine_are_not"),
    there(3, "A query with no result", "Absence is told", f"{RESOLVER_TESTS}DNS_21_absence_against_nsd"),
    there(4, "A query with send failure", "Trouble is told",
          f"{RESOLVER_TESTS}DNS_21_a_refusing_server_is_trouble"),
    there(5, "A query with timeout", "It ends in time", f"{RESOLVER_TESTS}DNS_23_a_silent_server_ends_in_time"),
    there(6, "A query with multiple results", "All of them, in the order of reach",
          f"{RESOLVER_TESTS}DNS_10_every_address_of_a_bare_name_against_nsd"),
    there(7, "A query with V4MAPPED results", "Both families in the order of reach, each as it is",
          f"{RESOLVER_TESTS}DNS_13_families_in_the_order_of_reach"),
    there(8, "A query cancelled", "Nobody else is", *CANCELLED),
    there(9, "A query with timeout, cancelled", "Nothing is left",
          f"{RESOLVER_TESTS}closing_ends_what_is_being_asked"),
    there(10, "AAAA query", "Addresses of a name", f"{RESOLVER_TESTS}DNS_10_every_address_of_a_bare_name_against_nsd"),
    there(11, "AAAA query cancelled", "Nobody else is", *CANCELLED),
    there(12, "SRV query", "Services of a domain", SERVICES),
    there(13, "SRV query cancelled", "Nobody else is", *CANCELLED),
    there(14, "SRV + A query", "Targets in the order of RFC 3263", SERVICES),
    there(15, "SRV + A query with no SRV result", "Then the addresses of the domain",
          f"{TARGETS}DNS_10_a_bare_address"),
    there(16, "Non working SRV + A query", "A target without an address is skipped",
          f"{TARGETS}DNS_25_a_dangling_srv_target_is_skipped"),
    there(17, "SRV + A query cancelled", "Nobody else is", *CANCELLED),
    there(18, "No query needed", "An address is not asked for",
          f"{TARGETS}DNS_3_numeric_hosts_are_never_asked_for", f"{RESOLVER_TESTS}DNS_3_literals_start_no_thread"),
    there(19, "Local query", "The hosts file", f"{RESOLVER_TESTS}DNS_23_hosts_file_is_honoured"),
    there(20, "Local SRV + A query", "The hosts file, for a target of an SRV record",
          f"{RESOLVER_TESTS}DNS_23_hosts_file_serves_srv_targets_and_leaves_other_names_to_dns"),
    here(21, "DNS fallback: server down", "The next name server is asked"),
    here(22, "DNS fallback: refused", "The next name server is asked"),
    here(23, "DNS fallback: scope link IPv6", "The next name server is asked",
         "A zone, which cannot be used yet, is refused when it is set"),
    here(24, "DNS fallback: invalid IPv6", "It cannot be set", "Told when it is set, not passed over"),
    there(25, "IPv6 DNS server", "A name server over IPv6",
          f"{RESOLVER_TESTS}nameserver_on_an_ipv6_address"),
    here(26, "Mixed DNS servers", "One of each family, either of them broken"),
    out(27, "MDNS query", MDNS),
    out(28, "MDNS query with ipv6", MDNS),
    out(29, "MDNS query with no result", MDNS),
    out(30, "MDNS query with multiple result", MDNS),
    out(31, "Multiple MDNS queries", MDNS),
)  # fmt: skip

SUITES = (
    *(REGISTER, ACCOUNT, PROXY_CONFIG, BEARER_AUTH, SETUP, FLEXISIP, TUNNEL),
    *(BELLE_REGISTER, REFRESHER, AUTH_HELPER, RESOLVER),
)
