"""Tokens and passwords: the traps of the libraries underneath."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jose import jwk, jwt
from jose.utils import base64url_encode

from app.core.exceptions import NotAuthenticated, Overloaded, TokenExpired
from app.core.security import PasswordHasher, TokenSigner, keyed_digest

SECRET = "a-secret-of-more-than-thirty-two-bytes"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
CLAIMS: dict[str, Any] = {
    "sub": "admin",
    "role": "admin",
    "exp": NOW_S + 1800,
    "iat": NOW_S,
    "jti": "12.0123456789abcdef",
    "typ": "access",
    "ver": 7,
}


@pytest.fixture
def signer() -> TokenSigner:
    return TokenSigner(SECRET, timedelta(minutes=30), now=lambda: NOW)


def encode(part: Any) -> str:
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64url_encode(text).decode()


def sign_raw(header: Any, payload: Any, key: str = SECRET) -> str:
    """Sign any two texts, also ones no library would."""
    signing_input = f"{encode(header)}.{encode(payload)}"
    signature = jwk.construct(key, "HS256").sign(signing_input.encode())
    return f"{signing_input}.{base64url_encode(signature).decode()}"


def with_claims(**changes: Any) -> str:
    return sign_raw({"alg": "HS256", "typ": "JWT"}, {**CLAIMS, **changes})


def without_claim(name: str) -> str:
    return sign_raw({"alg": "HS256", "typ": "JWT"}, {key: value for key, value in CLAIMS.items() if key != name})


class TestIssuing:
    def test_makes_a_token_that_is_read_again(self, signer: TokenSigner) -> None:
        claims = signer.read(signer.issue(subject="admin", role="admin", version=7, session_id=12))
        assert (claims.sub, claims.role, claims.ver, claims.typ) == ("admin", "admin", 7, "access")
        assert claims.exp - claims.iat == 1800
        assert claims.session_id == 12

    def test_gives_every_token_its_own_id(self, signer: TokenSigner) -> None:
        tokens = [signer.issue(subject="admin", role="admin", version=7, session_id=12) for _ in range(50)]
        assert len({signer.read(token).jti for token in tokens}) == 50

    def test_refuses_an_empty_key(self) -> None:
        with pytest.raises(ValueError, match="empty key"):
            TokenSigner("", timedelta(minutes=30))

    def test_takes_a_key_that_looks_like_json_as_it_is(self) -> None:
        signer = TokenSigner('["a", "b"]', timedelta(minutes=30), now=lambda: NOW)
        token = signer.issue(subject="admin", role="admin", version=7, session_id=12)
        assert signer.read(token).sub == "admin"
        with pytest.raises(NotAuthenticated):
            signer.read(sign_raw({"alg": "HS256", "typ": "JWT"}, CLAIMS, key="a"))


class TestReading:
    def test_accepts_exactly_our_own_form(self, signer: TokenSigner) -> None:
        assert signer.read(with_claims()).sub == "admin"

    @pytest.mark.parametrize("name", CLAIMS)
    def test_refuses_a_missing_claim(self, signer: TokenSigner, name: str) -> None:
        with pytest.raises(NotAuthenticated):
            signer.read(without_claim(name))

    @pytest.mark.parametrize(
        "changes",
        [
            {"exp": str(NOW_S + 1800)},
            {"exp": NOW_S + 0.5},
            {"exp": None},
            {"exp": True},
            {"exp": []},
            {"exp": float("inf")},
            {"exp": float("nan")},
            {"iat": None},
            {"iat": "now"},
            {"iat": NOW_S + 3600},
            {"sub": 1},
            {"sub": ""},
            {"sub": None},
            {"sub": ["admin"]},
            {"sub": "x" * 65},
            {"role": None},
            {"role": ["admin"]},
            {"jti": 1},
            {"jti": ""},
            {"jti": "0123456789abcdef"},
            {"jti": "0.0123456789abcdef"},
            {"jti": "-1.0123456789abcdef"},
            {"jti": "1.short"},
            {"jti": "9" * 19 + ".0123456789abcdef"},
            {"jti": "\u0661.0123456789abcdef"},
            {"jti": "1.0123456789abcdef\n"},
            {"typ": "refresh"},
            {"typ": None},
            {"ver": "7"},
            {"ver": 7.0},
            {"nbf": NOW_S + 3600},
            {"aud": "somebody else"},
            {"iss": "somebody else"},
            {"admin": True},
        ],
    )
    def test_refuses_an_odd_claim(self, signer: TokenSigner, changes: dict[str, Any]) -> None:
        with pytest.raises(NotAuthenticated):
            signer.read(with_claims(**changes))

    @pytest.mark.parametrize("payload", [b"1e400", b"[]", b"null", b'"x"', b"{", b"\xff", b"[" * 2500, b""])
    def test_refuses_a_payload_that_is_no_object(self, signer: TokenSigner, payload: bytes) -> None:
        with pytest.raises(NotAuthenticated):
            signer.read(sign_raw({"alg": "HS256", "typ": "JWT"}, payload))

    @pytest.mark.parametrize(
        "header",
        [
            {"alg": "none", "typ": "JWT"},
            {"alg": "None", "typ": "JWT"},
            {"alg": "NONE", "typ": "JWT"},
            {"alg": "HS384", "typ": "JWT"},
            {"alg": "RS256", "typ": "JWT"},
            {"alg": "ES256", "typ": "JWT"},
            {"alg": "hs256", "typ": "JWT"},
            {"alg": ["HS256"], "typ": "JWT"},
            {"alg": None, "typ": "JWT"},
            {"typ": "JWT"},
            {"alg": "HS256"},
            {"alg": "HS256", "typ": "JWE"},
            {"alg": "HS256", "typ": "JWT", "crit": ["exp"]},
            {"alg": "HS256", "typ": "JWT", "kid": "../../dev/null"},
            {"alg": "HS256", "typ": "JWT", "jku": "https://evil.example"},
            {"alg": "HS256", "typ": "JWT", "jwk": {"kty": "oct", "k": "YQ"}},
            {"alg": "HS256", "typ": "JWT", "b64": False},
            [],
            "HS256",
            b"[" * 2000,
            b"\xff\xfe",
        ],
    )
    def test_refuses_any_other_header(self, signer: TokenSigner, header: Any) -> None:
        with pytest.raises(NotAuthenticated):
            signer.read(sign_raw(header, CLAIMS))

    @pytest.mark.parametrize("signature", ["", "AAAA", "A" * 43, "A" * 2000])
    def test_refuses_any_other_signature(self, signer: TokenSigner, signature: str) -> None:
        unsigned = with_claims().rpartition(".")[0]
        with pytest.raises(NotAuthenticated):
            signer.read(f"{unsigned}.{signature}")

    def test_refuses_another_spelling_of_the_same_signature(self, signer: TokenSigner) -> None:
        token = with_claims()
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        # Two bits of the last character are not part of the 32 bytes.
        twin = token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]
        with pytest.raises(NotAuthenticated):
            signer.read(twin)

    @pytest.mark.parametrize(
        "token",
        [
            "",
            ".",
            "..",
            "...",
            "a.b",
            "a.b.c.d",
            "a.b.c\n",
            " a.b.c",
            "a.b.c=",
            "é.b.c",
            "\0.b.c",
            "A" * 5000,
            f"{'A' * 2000}.{'A' * 2000}.{'A' * 2000}",
            f"{base64.urlsafe_b64encode(b'[' * 2000).decode().rstrip('=')}.e30.AAAA",
        ],
    )
    def test_refuses_what_is_no_token(self, signer: TokenSigner, token: str) -> None:
        with pytest.raises(NotAuthenticated):
            signer.read(token)

    @pytest.mark.parametrize("key", ["", "another-secret-of-more-than-32-bytes!", SECRET + "x", SECRET.upper()])
    def test_refuses_another_key(self, signer: TokenSigner, key: str) -> None:
        with pytest.raises(NotAuthenticated):
            signer.read(sign_raw({"alg": "HS256", "typ": "JWT"}, CLAIMS, key=key))

    def test_says_that_one_of_ours_has_expired(self, signer: TokenSigner) -> None:
        with pytest.raises(TokenExpired):
            signer.read(with_claims(exp=NOW_S))

    def test_does_not_say_so_of_anybody_elses(self, signer: TokenSigner) -> None:
        expired = {**CLAIMS, "exp": NOW_S - 1}
        with pytest.raises(NotAuthenticated):
            signer.read(sign_raw({"alg": "HS256", "typ": "JWT"}, expired, key="x" * 32))

    def test_follows_the_clock(self) -> None:
        moments = iter([NOW, NOW + timedelta(minutes=29, seconds=59), NOW + timedelta(minutes=30)])
        signer = TokenSigner(SECRET, timedelta(minutes=30), now=lambda: next(moments))
        token = signer.issue(subject="admin", role="admin", version=7, session_id=12)
        assert signer.read(token).sub == "admin"
        with pytest.raises(TokenExpired):
            signer.read(token)

    def test_reads_what_any_library_of_the_standard_signs(self, signer: TokenSigner) -> None:
        assert signer.read(jwt.encode(CLAIMS, SECRET, algorithm="HS256")).ver == 7


class TestPasswords:
    async def test_are_kept_as_argon2id_with_the_stated_parameters(self) -> None:
        assert (await PasswordHasher().hash("password")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")

    async def test_are_recognised(self) -> None:
        hasher = PasswordHasher()
        stored = await hasher.hash("пароль с пробелами 🫀")
        assert await hasher.verify("пароль с пробелами 🫀", stored)

    @pytest.mark.parametrize(
        "wrong", ["p" * 101, "p" * 99, "p" * 72, "P" * 100, "p" * 100 + "\0", "", "x" * 5000, "п" * 100]
    )
    async def test_differ_after_the_72nd_byte_too(self, wrong: str) -> None:
        hasher = PasswordHasher()
        assert not await hasher.verify(wrong, await hasher.hash("p" * 100))

    async def test_that_nobody_has_take_as_long_and_never_match(self) -> None:
        hasher = PasswordHasher()
        assert not await hasher.verify("password", None)
        assert not hasher.is_outdated(await hasher.hash("password"))
        assert hasher.is_outdated("$argon2id$v=19$m=4096,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$Zm9vYmFyZm9vYmFyZm9vYg")

    async def test_are_hashed_two_at_a_time_and_the_rest_is_turned_away(self) -> None:
        hasher = PasswordHasher(hashes_at_once=2, waiting=4)
        outcomes = await asyncio.gather(*(hasher.hash("x") for _ in range(10)), return_exceptions=True)
        assert sum(isinstance(outcome, Overloaded) for outcome in outcomes) == 6
        assert (await hasher.hash("x")).startswith("$argon2id$")


def test_a_keyed_digest_differs_by_key_and_by_every_part() -> None:
    digests = {keyed_digest(*parts) for parts in [("s", "a", "b"), ("t", "a", "b"), ("s", "ab"), ("s", "a", "c")]}
    assert len(digests) == 4
    assert keyed_digest("s", "a", "b") in digests
