"""What new passwords and names must be like."""

import pytest

from app.core.names import is_email, is_plain_text, is_username, name_key
from app.core.passwords import BASIC, STRICT, is_common, normalize_password


class TestRules:
    @pytest.mark.parametrize(
        ("password", "basic", "strict"),
        [
            ("12345", "password_too_short", "password_too_short"),
            ("123456", "password_too_common", "password_too_short"),
            ("test123", None, "password_too_short"),
            ("admin123", None, "password_too_common"),
            ("PASSWORD", "password_too_common", "password_too_common"),
            ("йцукенгш", None, "password_too_common"),
            ("x" * 128, None, None),
            ("x" * 129, "password_too_long", "password_too_long"),
            ("\N{ANATOMICAL HEART}" * 8, None, None),
            ("tab\there it is", "text_not_plain", "text_not_plain"),
            ("\ud83e" * 8, "text_not_plain", "text_not_plain"),
            ("Dr.Ivanova", "password_is_name", "password_is_name"),
            ("dr.ivanova@example.com", "password_is_name", "password_is_name"),
            ("анна-каренина", "password_is_name", "password_is_name"),
        ],
    )
    def test_refuse_with_a_reason(self, password: str, basic: str | None, strict: str | None) -> None:
        names = ("Dr.Ivanova@example.com", None, "Анна-Каренина")
        faults = [rules.find_fault(password, names) for rules in (BASIC, STRICT)]
        assert [fault.type if fault else None for fault in faults] == [basic, strict]

    def test_know_the_most_common_ones_in_their_order(self) -> None:
        assert is_common("123456", 1)
        assert not is_common("password", 1)
        assert is_common("password", 2)
        assert not is_common("# The most common passwords")
        assert not is_common("correct horse battery staple")

    def test_take_two_spellings_of_one_text_for_the_same(self) -> None:
        assert normalize_password("cafe\u0301") == normalize_password("café")
        assert normalize_password("ﬁ") != normalize_password("fi")


class TestNames:
    @pytest.mark.parametrize("name", ["a", "alice", "Иванова", "dr.ivanova", "a_b-c+d", "007", "Ёж", "a@b", "x" * 64])
    def test_may_be(self, name: str) -> None:
        assert is_username(name)

    @pytest.mark.parametrize(
        "name",
        ["", " ", "a b", ".a", "-a", "@", "a@", "@b", "аlice", "naïve", "x" * 65, "a\n", "a\0", "\ud83e", "<b>", "a/b"],
    )
    def test_may_not_be(self, name: str) -> None:
        assert not is_username(name)

    @pytest.mark.parametrize(
        ("address", "is_right"),
        [
            ("alice@example.com", True),
            ("a.b+c@localhost", True),
            ("a@xn--e1afmkfd.xn--p1ai", True),
            ("x" * 64 + "@example.com", True),
            ("x" * 65 + "@example.com", False),
            ("a@" + "b." * 130 + "com", False),
            ("a@-b.com", False),
            ("a@b..com", False),
            (".a@b.com", False),
            ("a b@c.com", False),
            ("a@b.com\n", False),
            ("a@b@c.com", False),
            ("é@example.com", False),
        ],
    )
    def test_of_letters_are_addresses_by_their_form(self, address: str, is_right: bool) -> None:
        assert is_email(address) is is_right

    @pytest.mark.parametrize(("one", "other"), [("Alice", "aLICE"), ("ЁЖ", "ёж"), ("ﬁ", "FI"), ("ß", "SS")])
    def test_are_compared_without_case(self, one: str, other: str) -> None:
        assert name_key(one) == name_key(other)

    @pytest.mark.parametrize("text", ["\0", "a\x1b[31m", "\r\n", "\u2028", "\u202e", "\u200f", "\ud800"])
    def test_and_texts_are_free_of_what_cannot_be_seen(self, text: str) -> None:
        assert not is_plain_text(text)
