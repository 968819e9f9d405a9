"""aiosipreg/linphonerc/file.py: the form, as liblinphone 5.1.65 was seen to read it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiosipreg.errors import ConfigError
from aiosipreg.linphonerc.file import Entry, File, read_file

WORD = st.text(st.characters(categories=("L", "N", "P", "S"), exclude_characters="[]=#\ufeff"), min_size=1)
VALUE = st.text(st.characters(exclude_characters="\n", exclude_categories=())).map(lambda text: text.rstrip(" \t\r"))


def read(text: str, section: str = "a") -> dict[str, str]:
    return {entry.key: entry.value for entry in read_file(text).unknown() if entry.section == section}


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("k=v", "k", "v"),
        ("sp = spaced  ", "sp", " spaced"),
        ("tail=x\t\r", "tail", "x"),
        (" indented=1", "indented", "1"),
        ("eq=a=b==c", "eq", "a=b==c"),
        ("percent=50%%done%(x)s", "percent", "50%%done%(x)s"),
        ("x-custom-property:a:b=1", "x-custom-property:a:b", "1"),
        ("Case=1", "Case", "1"),
        (";no=comment", ";no", "comment"),
        ("hash=a # b", "hash", "a # b"),
        ('quoted="q"', "quoted", '"q"'),
        ("list=a,b,", "list", "a,b,"),
    ],
)
def test_an_entry(line: str, key: str, value: str) -> None:
    assert read(f"[a]\n{line}\n") == {key: value}


@pytest.mark.parametrize("line", ["# k=1", "  # k=1", "#", "", "   ", "\r", "k=", "k=  "])
def test_comments_blank_lines_and_empty_values_say_nothing(line: str) -> None:
    file = read_file(f"[a]\n{line}\n")
    assert (file.unknown(), file.problems) == ((), [])


@pytest.mark.parametrize("header", ["[a]", " [a]", "[ a ]", "[a]  \r", "\ufeff[a]"])
def test_a_section(header: str) -> None:
    file = read_file(f"{header}\nk=v\n")
    assert file.unknown() == (("a", "k", "v"),)
    assert file.problems == []


@pytest.mark.parametrize(
    ("header", "section"), [("[a b=c]", "a"), ("[a] x", "a"), ("[a", "before"), ("[]", "before"), ("[ ]", "before")]
)
def test_a_spoilt_section_is_told(header: str, section: str) -> None:
    file = read_file(f"[before]\n{header}\nk=v\n")
    assert file.unknown() == ((section, "k", "v"),)
    assert file.problems == ["line 2: expected one name in brackets and nothing else"]


@pytest.mark.parametrize("line", ["hunter2", "=hunter2", "  =hunter2", "[hunter2"])
def test_a_line_without_a_form_is_told_and_not_repeated(line: str) -> None:
    file = read_file(f"[a]\nk=v\n{line}\n")
    assert read(f"[a]\nk=v\n{line}\n") == {"k": "v"}
    assert len(file.problems) == 1
    assert file.problems[0].startswith("line 3: expected")
    assert "hunter2" not in file.problems[0]


def test_a_section_goes_on_when_it_is_opened_again() -> None:
    file = read_file("[a]\nk=1\n[b]\nk=2\n[a]\nl=3\n")
    assert file.unknown() == (("a", "k", "1"), ("a", "l", "3"), ("b", "k", "2"))
    assert file.problems == []


def test_of_two_values_the_last_counts_and_that_is_told() -> None:
    file = read_file("[a]\nk=1\nl=1\nk=2\nl=1\n")
    assert file.text("a", "k") == "2"
    assert file.problems == ["[a] k: occurs more than once; the last one counts"]


def test_an_empty_value_does_not_take_another_away() -> None:
    file = read_file("[a]\nk=1\nk=\n")
    assert file.text("a", "k") == "1"
    assert file.problems == []


def test_what_stands_before_the_first_section_is_kept() -> None:
    assert read_file("early=1\n[a]\n").unknown() == (("", "early", "1"),)


def test_numbered_sections_end_at_the_first_gap() -> None:
    file = read_file("[p_1]\n[p_0]\n[p_3]\n[p_4]\n[p_04]\n[p_x]\n[pp_2]\n")
    assert file.numbered("p") == ["p_0", "p_1"]
    assert file.problems == [
        "[p_3] is not read, because there is no [p_2] before it",
        "[p_4] is not read, because there is no [p_2] before it",
    ]
    assert file.numbered("q") == []


def test_an_account_takes_what_it_does_not_say_from_the_defaults() -> None:
    file = read_file("[proxy_default_values]\na=1\nb=2\n[proxy_0]\na=3\nb=\n[auth_info_0]\n")
    assert [file.text("proxy_0", key) for key in "abc"] == ["3", "2", None]
    assert file.text("auth_info_0", "a") is None
    assert file.text("proxy_9", "a") == "1"
    assert file.unknown() == ()


def test_a_problem_names_the_section_where_the_value_stands() -> None:
    file = read_file("[proxy_default_values]\na=1\n[proxy_0]\nb=2\n")
    for key in "abc":
        file.problem("proxy_0", key, "is wrong")
    assert file.problems == ["[proxy_default_values] a: is wrong", "[proxy_0] b: is wrong", "[proxy_0] c: is wrong"]


def test_a_value_that_cannot_be_read_is_absent_and_told() -> None:
    def refuse(text: str) -> int:
        raise ConfigError("", text, "a number")

    file = read_file("[a]\nk= 7 \n")
    assert file.value("a", "k", int) == 7
    assert file.value("a", "l", refuse) is None
    assert file.problems == []
    assert file.value("a", "k", refuse) is None
    assert file.problems == ["[a] k: expected a number; the setting is left out"]


def test_blanks_in_front_are_kept_only_where_they_may_mean_something() -> None:
    file = read_file("[a]\nk=  v  \n")
    assert file.text("a", "k") == "v"
    assert file.verbatim("a", "k") == "  v"


def test_an_entry_does_not_show_its_value() -> None:
    entry = Entry("auth_info_0", "client_secret", "hunter2")
    assert repr(entry) == f"{entry}" == f"{(entry,)[0]!s}" == "Entry(section='auth_info_0', key='client_secret')"
    assert entry == ("auth_info_0", "client_secret", "hunter2")


@given(st.lists(st.tuples(WORD, WORD, VALUE)))
@example([("a", "k", "\x0b \x85\u2028")])
def test_nothing_is_lost(entries: list[tuple[str, str, str]]) -> None:
    text = "".join(f"[{section}]\n{key}={value}\n" for section, key, value in entries)
    expected: dict[str, dict[str, str]] = {}
    for section, key, value in entries:
        expected.setdefault(section, {}).update({key: value} if value else {})
    flat = [(name, *entry) for name, section in expected.items() for entry in section.items()]
    assert read_file(text).unknown() == tuple(flat)


@given(st.text(st.one_of(st.sampled_from("[]=#\n \t\r_0a"), st.characters(exclude_categories=()))))
def test_any_text_can_be_read(text: str) -> None:
    file: File = read_file(text)
    lines = [line.strip(" \t\r") for line in text.removeprefix("\ufeff").split("\n")]
    said = [line for line in lines if line and not line.startswith("#")]
    assert len(file.unknown()) + len(file.problems) <= 2 * len(said)
