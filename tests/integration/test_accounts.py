"""Accounts and sessions on both databases, asked by many at once."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from passlib.hash import argon2

from app.core.config import Settings
from app.core.exceptions import LoginThrottled, NotAuthenticated, StorageUnavailable, TooManyKeys
from app.core.opaque import digest, new_secret
from app.database.connection import Database
from app.database.repositories.api_keys import MAX_KEYS, ApiKeyRepository
from app.database.repositories.login_failures import LoginFailureRepository
from app.database.repositories.sessions import Lifetimes, SessionRepository
from app.database.repositories.users import NewUser, UserRecord, UserRepository
from app.services.account_services import AccountServices, build_account_services
from app.services.accounts import Registration
from app.services.auth import Tokens
from app.services.login_throttle import ACCOUNT, ADDRESS, PAIR, LoginThrottle
from tests.fixtures.app import StartClient
from tests.fixtures.auth import ADMIN_HASH, bearer, log_in

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LIFETIMES = Lifetimes(idle=timedelta(days=7), longest=timedelta(days=30))
MANY = 50


async def add_user(database: Database, name: str = "alice", **changes: Any) -> UserRecord:
    given: dict[str, Any] = {
        "username": name,
        "email": None,
        "full_name": None,
        "role": "patient",
        "is_active": True,
        "is_from_settings": False,
        "password_hash": ADMIN_HASH,
        "token_version": 7,
    }
    return await UserRepository(database).add(NewUser(**{**given, **changes}))


class TestRefreshTokens:
    async def begin(self, database: Database, now: datetime = NOW) -> tuple[SessionRepository, UserRecord, str, int]:
        sessions, user, token = SessionRepository(database, LIFETIMES), await add_user(database), new_secret("ecr_")
        number = await sessions.begin(user.id, user.token_version, digest(token), now)
        assert number is not None
        return sessions, user, token, number

    async def test_of_fifty_at_once_exactly_one_wins_and_the_family_dies(self, database: Database) -> None:
        sessions, _, token, number = await self.begin(database)
        following = [new_secret("ecr_") for _ in range(MANY)]
        rotations = await asyncio.gather(*(sessions.rotate(digest(token), digest(one), NOW) for one in following))
        outcomes = Counter(None if rotation is None else rotation.is_reuse for rotation in rotations)
        assert outcomes == {
            False: 1,
            True: 1,
            None: MANY - 2,
        }  # the first that came back ended it: the rest met nothing
        assert await UserRepository(database).find_by_session(number) is None
        for one in following:
            assert await sessions.rotate(digest(one), digest(new_secret("ecr_")), NOW) is None

    async def test_that_come_back_later_end_the_family_too(self, database: Database) -> None:
        sessions, user, first, number = await self.begin(database)
        second, third = new_secret("ecr_"), new_secret("ecr_")
        assert await sessions.rotate(digest(first), digest(second), NOW)
        assert await sessions.rotate(digest(second), digest(third), NOW)
        reuse = await sessions.rotate(digest(first), digest(new_secret("ecr_")), NOW)
        assert reuse is not None
        assert (reuse.is_reuse, reuse.user.id, reuse.session_id) == (True, user.id, number)
        assert await sessions.rotate(digest(third), digest(new_secret("ecr_")), NOW) is None

    async def test_end_when_they_are_not_used_and_at_the_latest(self, database: Database) -> None:
        sessions, _, token, _ = await self.begin(database)
        moment = NOW
        for _ in range(4):  # six days each: never idle for seven
            moment += timedelta(days=6)
            following = new_secret("ecr_")
            assert await sessions.rotate(digest(token), digest(following), moment)
            token = following
        after_thirty_days = NOW + timedelta(days=30)
        assert await sessions.rotate(digest(token), digest(new_secret("ecr_")), after_thirty_days) is None

    async def test_that_were_idle_are_over(self, database: Database) -> None:
        sessions, _, token, number = await self.begin(database)
        assert await sessions.rotate(digest(token), digest(new_secret("ecr_")), NOW + timedelta(days=7)) is None
        assert await UserRepository(database).find_by_session(number) is None

    async def test_are_not_given_to_an_account_that_changed_meanwhile(self, database: Database) -> None:
        sessions, user, *_ = await self.begin(database)
        await UserRepository(database).set_password(user.id, "another", instead_of=None)
        assert await sessions.begin(user.id, user.token_version, digest(new_secret("ecr_")), NOW) is None

    async def test_of_sessions_long_over_are_forgotten_by_the_next_login(self, database: Database) -> None:
        sessions, user, token, number = await self.begin(database)
        await sessions.begin(user.id, user.token_version, digest(new_secret("ecr_")), NOW + timedelta(days=8))
        assert await UserRepository(database).find_by_session(number) is None
        assert await sessions.rotate(digest(token), digest(new_secret("ecr_")), NOW) is None

    async def test_and_a_changed_password_at_the_same_time_leave_no_session(self, database: Database) -> None:
        sessions, user, token, _ = await self.begin(database)
        users, following = UserRepository(database), new_secret("ecr_")
        await asyncio.gather(
            sessions.rotate(digest(token), digest(following), NOW),
            users.set_password(user.id, "another", instead_of=None),
        )
        assert await sessions.rotate(digest(following), digest(new_secret("ecr_")), NOW) is None


class TestPasswords:
    async def test_that_were_kept_weakly_are_kept_well_after_a_login(
        self, database: Database, make_settings: Callable[..., Settings]
    ) -> None:
        weak = argon2.using(memory_cost=64, time_cost=1).hash("a good password")  # type: ignore[no-untyped-call]  # bare stubs
        user = await add_user(database, password_hash=weak)
        services = build_account_services(make_settings(), database)
        tokens = await services.auth.login("alice", "a good password", "192.0.2.1")
        kept = await UserRepository(database).get(user.id, seen_by=None)
        assert kept is not None
        assert kept.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert (await services.identity.identify(tokens.access)).user.token_version == user.token_version
        await services.auth.login("alice", "a good password", "192.0.2.1")

    async def test_and_what_opens_anything_are_not_shown_by_accident(self, database: Database) -> None:
        user = await add_user(database)
        shown = repr((user, Registration(username="a", password="canary"), Tokens(access="canary", refresh="canary")))
        assert ADMIN_HASH not in shown
        assert "canary" not in shown


class TestKeys:
    async def test_are_no_more_than_an_account_may_have(self, database: Database) -> None:
        keys, user = ApiKeyRepository(database), await add_user(database)

        async def add(number: int) -> None:
            adding = keys.adding(
                user.id,
                name="n",
                prefix="ecg_",
                key_digest=str(number),
                scopes="",
                created_at=NOW,
                expires_at=None,
            )
            await database.writes.run(adding)

        outcomes = await asyncio.gather(*(add(number) for number in range(MAX_KEYS + 10)), return_exceptions=True)
        assert Counter(type(outcome) for outcome in outcomes) == {type(None): MAX_KEYS, TooManyKeys: 10}
        assert (await keys.page(user.id, limit=100, offset=0)).total == MAX_KEYS


class TestThrottle:
    @pytest.fixture
    def throttle(self, database: Database) -> "Clocked":
        return Clocked(database)

    async def test_doubles_the_delay_of_one_guesser_and_forgives_after_a_day(self, throttle: "Clocked") -> None:
        waits = [await throttle.guess() for _ in range(PAIR.free)]
        assert waits == [0, 0, 0, 0, 1]
        for expected in (2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900):
            throttle.now += timedelta(seconds=throttle.wait_s)
            assert await throttle.guess() == expected
        throttle.now += timedelta(days=1, seconds=1)
        assert await throttle.guess() == 0

    async def test_does_not_wait_at_another_address(self, throttle: "Clocked") -> None:
        for _ in range(PAIR.free):
            await throttle.guess(address="192.0.2.1")
        with pytest.raises(LoginThrottled):
            await throttle.check(address="192.0.2.1")
        await throttle.check(address="192.0.2.2")
        assert await throttle.guess(address="192.0.2.2") == 0

    async def test_survives_a_restart(self, throttle: "Clocked", database: Database) -> None:
        for _ in range(PAIR.free):
            await throttle.guess()
        with pytest.raises(LoginThrottled):
            await Clocked(database).check()

    async def test_remembers_nothing_that_can_be_read(self, throttle: "Clocked", database: Database) -> None:
        await throttle.guess(name="a-password-typed-as-name", address="192.0.2.1")
        standings = await LoginFailureRepository(database).read(
            throttle.attempt("a-password-typed-as-name", "192.0.2.1").buckets, throttle.now
        )
        assert len(standings) == 3
        assert all(len(bucket) == 64 and set(bucket) <= set("0123456789abcdef") for bucket in standings)

    async def test_slows_down_one_password_on_many_accounts(self, throttle: "Clocked") -> None:
        waits = [await throttle.guess(name=f"user{number}", address="192.0.2.1") for number in range(ADDRESS.free)]
        assert set(waits[:-1]) == {0}
        assert waits[-1] == 1
        await throttle.check(name="user1", address="192.0.2.2")

    async def test_slows_down_many_guessers_of_one_account_but_not_where_its_owner_is_known(
        self, throttle: "Clocked"
    ) -> None:
        await throttle.succeed(address="198.51.100.7")
        for number in range(ACCOUNT.free):
            await throttle.guess(address=f"192.0.2.{number}")
        with pytest.raises(LoginThrottled) as refusal:
            await throttle.check(address="203.0.113.1")
        assert refusal.value.headers["Retry-After"] == "1"
        await throttle.check(address="198.51.100.7")
        await throttle.succeed(address="198.51.100.7")

    async def test_lets_no_single_guesser_slow_down_the_account(self, throttle: "Clocked") -> None:
        for _ in range(ACCOUNT.free + 20):
            throttle.now += timedelta(seconds=throttle.wait_s)
            await throttle.guess(address="192.0.2.1")
        await throttle.check(address="203.0.113.1")

    async def test_counts_every_failure_of_many_at_once(self, throttle: "Clocked") -> None:
        outcomes = await asyncio.gather(*(throttle.guess() for _ in range(20)), return_exceptions=True)
        counted = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        assert len(counted) == PAIR.free
        assert sum(isinstance(outcome, LoginThrottled) for outcome in outcomes) == 20 - PAIR.free

    async def test_takes_no_right_password_that_comes_too_early(self, throttle: "Clocked") -> None:
        for _ in range(PAIR.free):
            await throttle.guess()
        with pytest.raises(LoginThrottled):
            await throttle.succeed()

    @pytest.mark.parametrize(
        ("one", "other", "are_same"),
        [
            ("2001:db8::1", "2001:db8::ffff", True),
            ("2001:db8::1", "2001:db8:0:1::1", False),
            ("::ffff:192.0.2.1", "192.0.2.1", True),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
            ("", "192.0.2.1", False),
        ],
    )
    async def test_takes_a_network_for_an_address_where_one_caller_has_many(
        self, throttle: "Clocked", one: str, other: str, are_same: bool
    ) -> None:
        assert (throttle.attempt("alice", one) == throttle.attempt("alice", other)) is are_same


class Clocked:
    """The throttle, with a clock that is turned by hand."""

    def __init__(self, database: Database) -> None:
        self.now = NOW
        self.wait_s = 0
        self._throttle = LoginThrottle(LoginFailureRepository(database), "secret", now=lambda: self.now)

    def attempt(self, name: str, address: str) -> Any:
        return self._throttle.attempt(user_id=None, name=name, address=address)

    async def guess(self, name: str = "alice", address: str = "192.0.2.1") -> int:
        """Fail, and return how long the next attempt has to wait."""
        attempt = self.attempt(name, address)
        await self._throttle.fail(attempt)
        try:
            await self._throttle.check(attempt)
        except LoginThrottled as refusal:
            self.wait_s = int(refusal.headers["Retry-After"])
        else:
            self.wait_s = 0
        return self.wait_s

    async def check(self, name: str = "alice", address: str = "192.0.2.1") -> None:
        await self._throttle.check(self.attempt(name, address))

    async def succeed(self, name: str = "alice", address: str = "192.0.2.1") -> None:
        await self._throttle.succeed(self.attempt(name, address))


class TestAdministrator:
    @pytest.fixture
    def build(self, database: Database, make_settings: Callable[..., Settings]) -> Callable[..., AccountServices]:
        return lambda **settings: build_account_services(make_settings(**settings), database)

    async def test_is_made_once_by_several_that_start_at_once(
        self, build: Callable[..., AccountServices], database: Database
    ) -> None:
        await asyncio.gather(*(build().administrator.settle() for _ in range(4)))
        page = await UserRepository(database).page(limit=10, offset=0)
        assert [(user.username, user.role, user.is_from_settings) for user in page.users] == [("admin", "admin", True)]

    async def test_follows_the_setting_and_its_tokens_die(self, build: Callable[..., AccountServices]) -> None:
        tokens = await build().auth.login("admin", "admin123", "192.0.2.1")
        assert (await build().identity.identify(tokens.access)).is_admin
        changed = build(admin_password="another password")
        for attempt in (changed.identity.identify(tokens.access), changed.auth.refresh(tokens.refresh)):
            with pytest.raises(NotAuthenticated):
                await attempt
        again = await changed.auth.login("ADMIN", "another password", "192.0.2.1")
        assert (await changed.identity.identify(again.access)).user.username == "admin"

    async def test_is_the_same_after_a_restart(self, build: Callable[..., AccountServices], database: Database) -> None:
        await build().administrator.settle()
        before = await UserRepository(database).find_from_settings()
        await build().administrator.settle()
        assert await UserRepository(database).find_from_settings() == before

    async def test_of_an_earlier_name_is_closed(
        self, build: Callable[..., AccountServices], database: Database
    ) -> None:
        tokens = await build().auth.login("admin", "admin123", "192.0.2.1")
        renamed = build(admin_username="chief@example.com")
        with pytest.raises(NotAuthenticated):
            await renamed.identity.identify(tokens.access)
        users = (await UserRepository(database).page(limit=10, offset=0)).users
        assert [(user.username, user.is_active, user.is_from_settings) for user in users] == [
            ("admin", False, False),
            ("chief@example.com", True, True),
        ]
        again = await renamed.auth.login("Chief@Example.com", "admin123", "192.0.2.1")
        assert (await renamed.identity.identify(again.access)).is_admin

    async def test_takes_its_name_over_and_nothing_of_who_had_it(
        self, build: Callable[..., AccountServices], database: Database
    ) -> None:
        squatter = await add_user(database, "chief")
        await add_user(database, "other", email="chief@example.com")
        keys = ApiKeyRepository(database)
        adding = keys.adding(
            squatter.id,
            name="n",
            prefix="ecg_",
            key_digest=digest("ecg_x"),
            scopes="predict",
            created_at=NOW,
            expires_at=None,
        )
        await database.writes.run(adding)
        await build(admin_username="chief").administrator.settle()
        taken = await UserRepository(database).find_from_settings()
        assert taken is not None
        assert (taken.id, taken.role, taken.token_version > squatter.token_version) == (squatter.id, "admin", True)
        assert await keys.find(digest("ecg_x")) is None
        await build(admin_username="chief@example.com").administrator.settle()
        assert (await UserRepository(database).find_by_name("other")) is not None

    async def test_waits_for_a_database_that_is_not_migrated(
        self, make_settings: Callable[..., Settings], tmp_path: Any
    ) -> None:
        url = f"sqlite+aiosqlite:///{tmp_path / 'nothing.db'}"
        database = Database(url)
        services = build_account_services(make_settings(database_url=url), database)
        with pytest.raises(StorageUnavailable):
            await services.administrator.settle()
        await database.close()


class TestOverHttp:
    async def test_of_fifty_registrations_of_one_name_one_is_made(self, start: StartClient, database_url: str) -> None:
        client = await start(database_url=database_url)
        client.app.state.service.accounts.users._hasher._max_waiting = MANY  # type: ignore[attr-defined]  # of the fixture
        spellings = ["alice", "Alice", "ALICE"]

        async def register(number: int) -> int:
            body = {"username": spellings[number % 3], "password": f"a good password {number}"}
            return (await client.post("/auth/register", json=body)).status_code

        statuses = Counter(await asyncio.gather(*(register(number) for number in range(MANY))))
        assert statuses == {201: 1, 409: MANY - 1}

    async def test_of_fifty_refreshes_of_one_token_one_wins_and_nobody_stays(
        self, start: StartClient, database_url: str
    ) -> None:
        client = await start(database_url=database_url)
        login = (await client.post("/auth/login", data={"username": "admin", "password": "admin123"})).json()
        client.cookies.clear()
        body = {"refresh_token": login["refresh_token"]}
        answers: list[httpx.Response] = await asyncio.gather(
            *(client.post("/auth/refresh", json=body) for _ in range(MANY))
        )
        assert Counter(answer.status_code for answer in answers) == {200: 1, 401: MANY - 1}
        won = next(answer.json() for answer in answers if answer.status_code == 200)
        client.cookies.clear()
        again = await client.post("/auth/refresh", json={"refresh_token": won["refresh_token"]})
        assert again.status_code == 401
        for access in (login["access_token"], won["access_token"]):
            assert (await client.get("/auth/me", headers=bearer(access))).status_code == 401

    async def test_whoever_is_disabled_is_refused_by_every_process_at_once(
        self, start: StartClient, database_url: str
    ) -> None:
        one, other = await start(database_url=database_url), await start(database_url=database_url)
        admin = await log_in(one)
        alice = {"username": "alice", "password": "a good password"}
        number = (await one.post("/register", json=alice)).json()["id"]
        headers = await log_in(other, name="alice", password="a good password")
        assert (await other.get("/private", headers=headers)).status_code == 200
        await one.put(f"/users/{number}", headers=admin, json={"is_active": False})
        assert (await other.get("/private", headers=headers)).status_code == 401
        assert (await other.post("/token", data=alice)).status_code == 401
        restarted = await start(database_url=database_url)
        assert (await restarted.get("/private", headers=headers)).status_code == 401
