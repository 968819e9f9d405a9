"""What liblinphone does that is not worth copying, and what this package does instead."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFECTS", "Defect"]


@dataclass(frozen=True, slots=True)
class Defect:
    """One of them.

    Attributes:
        theirs: What liblinphone does.
        ours: What we do instead.
        tests: Our tests that show it, as in `rows.Row`.
        waits: What it waits for, where it is about something that is not built yet.
    """

    theirs: str
    ours: str
    tests: tuple[str, ...] = ()
    waits: str = ""


def defect(theirs: str, ours: str, *tests: str, waits: str = "") -> Defect:
    return Defect(theirs, ours, tests, waits)


DEFECTS = (
    defect("Refreshing is told after a refresh has succeeded, and after every second one only",
           "When the refresh is sent, always",
           "test_refresher_01_register_expires_header"),
    defect("Some changes of state are illegal and dropped, a removal in Failed among them",
           "A table of all transitions; every change is an event",
           "tests/engine/test_transitions.py::test_every_row_of_the_table_is_taken",
           "tests/engine/test_registration.py::test_unregister_ends_without_a_binding_in_every_state"),
    defect("Disabling the registration in Progress or Refreshing does nothing",
           "The removal follows as soon as what is under way has ended",
           "test_nothing_is_lost_and_nothing_goes_out_in_part"),
    defect("Setters commit one by one, even between `edit` and `done`, and the last `done` fails",
           "One atomic commit", "test_nothing_is_lost_and_nothing_goes_out_in_part",
           "tests/test_draft.py::test_nothing_happens_before_done"),
    defect("After some answers the state stays Progress: redirects that are not followed, a silent Retry-After, 2xx "
           "other than 200", "Failed with `retry_at`; every 2xx is a success",
           "test_defect_05_no_answer_leaves_the_state_at_progress", "test_defect_05_every_2xx_is_a_success"),
    defect("481 and 503 without Retry-After pause for 16.7 hours; over TCP the header is ignored",
           "Seconds are seconds, and the header is always honoured",
           "test_defect_06_retry_after_is_seconds_and_is_honoured"),
    defect("Retry-After and Warning of an answer to REGISTER are not shown",
           "`event.retry_after`, `event.warnings`", "test_defect_07_retry_after_and_warnings_are_told"),
    defect("Retries after a constant time, without jitter or end",
           "The back-off of RFC 5626 with jitter, and `max_attempts`",
           "test_defect_08_retries_back_off_with_jitter_and_end_where_they_are_to"),
    defect("The removal of an identity that was edited or removed is not told",
           "An event with the old identity", "test_defect_09_the_end_of_the_old_identity_is_told_under_its_name"),
    defect("Routes are ignored for REGISTER", "The Route header has them", "test_register_05_udp_register",
           "test_belle_register_09_stateful_udp_with_outbound_proxy"),
    defect("Supported says outbound, but there is no `reg-id`", "What is not done is not said to be supported",
           "test_defect_11_what_is_not_done_is_not_said_to_be_supported"),
    defect("A further Contact is read from the file, but not written to it", "It is read; no file is written",
           "test_defect_12_a_further_contact_of_the_file_is_registered", waits="writing files"),
    defect("The passphrase of a TLS key is read under a misspelt name", "As it is written",
           "tests/linphonerc/test_imported.py::test_TLS_9_a_certificate_of_ours_stands_among_the_credentials"),
    defect("A copy of the account parameters has the Contact parameters in place of those of its URI",
           "Frozen values", "test_account_10_simple_account_params_creation_with_contact_parameters",
           "tests/test_params.py::test_params_are_values"),
    defect("Changes of realm, option tags and NAT policy cause no REGISTER, and nothing says so",
           "Each setting has its row in one table: option tags and NAT go out, the realm has nothing to send",
           "test_what_a_changed_setting_sends"),
    defect("Of SRV records with several priorities some may be lost",
           "The order of RFC 2782, with every record once",
           "tests/engine/test_targets.py::test_DNS_12_every_record_once_and_priorities_in_order"),
    defect("An account is found by the first equal identity", "By its id", "test_account_01_simple_account_creation",
           "tests/test_core.py::TestAccounts::test_an_id_is_given_once_at_a_time"),
    defect("When a master is removed, the wrong account is registered again",
           "The one that depended on it",
           "tests/test_dependents.py::test_the_removal_of_the_other_one_makes_an_account_independent"),
    defect("`idkey` falls back to `refkey`, and one default is mangled",
           "The fallback is kept for old files, and an id is given once",
           "tests/linphonerc/test_imported.py::test_the_id_is_the_idkey_or_else_the_refkey",
           "tests/linphonerc/test_imported.py::test_an_id_is_given_once"),
    defect("A wrong password is sent for ever", "Once, then Failed until the credentials change",
           "test_register_23_digest_auth_with_wrong_credentials",
           "test_register_25_digest_auth_with_wrong_credentials_without_403"),
    defect("The stop waits for at most a second, less than a slow removal takes",
           "`shutdown_timeout`, or `stop(timeout)`",
           "tests/test_core.py::TestStop::test_the_bound_may_be_given_with_the_call"),
    defect("When the next refresh or retry is due is not shown; nor is a lost flow",
           "`proxy.refresh_at`, `proxy.retry_at`; Refreshing with `Reason.IO_ERROR`",
           "tests/test_proxy.py::TestShown::test_a_registered_account",
           "tests/test_proxy.py::TestEvents::test_a_failure_says_why_and_what_comes_next",
           "test_register_42_io_recv_error"),
)  # fmt: skip
