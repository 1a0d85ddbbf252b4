"""Appointments over HTTP."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.database.repositories.appointments import AppointmentRepository
from app.database.repositories.users import UserRepository
from app.services.appointments import AppointmentService
from tests.fixtures.appointments import NOW
from tests.fixtures.auth import Cast, Headers, Person, bearer

Book = Callable[..., Awaitable[dict[str, Any]]]
START, END = "2026-06-02T12:00:00+03:00", "2026-06-02T12:30:00+03:00"


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Office:
    """A doctor, a patient, and the clock that the application goes by."""

    client: httpx.AsyncClient
    cast: Cast
    clock: Clock
    olga: Person
    house: Person

    async def book(self, headers: Headers | None = None, **changes: Any) -> dict[str, Any]:
        """Book for Olga with House, or with what is said instead."""
        body = body_of(self.house, **changes)
        response = await self.client.post("/appointments", json=body, headers=headers or self.olga.headers)
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        assert response.headers["Location"] == f"/api/v1/appointments/{made['id']}"
        return made

    async def refuse(self, headers: Headers, **changes: Any) -> str:
        """Return why a booking is refused."""
        response = await self.client.post("/appointments", json=body_of(self.house, **changes), headers=headers)
        assert response.status_code == 400, response.text
        return str(response.json()["errors"][0]["type"])


def body_of(doctor: Person, **changes: Any) -> dict[str, Any]:
    given = {"doctor_id": doctor.id, "starts_at": START, "ends_at": END, "time_zone": "Europe/Moscow"}
    return {name: value for name, value in {**given, **changes}.items() if value is not None}


@pytest.fixture
async def office(client: httpx.AsyncClient, cast: Cast) -> Office:
    clock, state = Clock(), client.app.state.service  # type: ignore[attr-defined]  # behind the curtain
    state.appointments = AppointmentService(AppointmentRepository(state.database), clock)
    return Office(client, cast, clock, await cast.person("olga"), await cast.person("house", "doctor"))


@pytest.fixture
def clock(office: Office) -> Clock:
    return office.clock


@pytest.fixture
def olga(office: Office) -> Person:
    return office.olga


@pytest.fixture
def house(office: Office) -> Person:
    return office.house


@pytest.fixture
def book(office: Office) -> Book:
    return office.book


class TestBooking:
    async def test_answers_with_what_is_kept(
        self, client: httpx.AsyncClient, book: Book, olga: Person, house: Person
    ) -> None:
        made = await book(note="натощак\nс выпиской")
        assert made == {
            "id": made["id"],
            "patient_id": olga.id,
            "doctor_id": house.id,
            "starts_at": START,
            "ends_at": END,
            "time_zone": "Europe/Moscow",
            "status": "booked",
            "note": "натощак\nс выпиской",
            "version": 1,
            "created_at": "2026-06-01T09:00:00",
            "updated_at": "2026-06-01T09:00:00",
        }
        for person in (olga, house):
            read = await client.get(f"/appointments/{made['id']}", headers=person.headers)
            assert (read.status_code, read.json()) == (200, made)

    async def test_takes_local_time_and_shows_it_so(self, book: Book) -> None:
        made = await book(
            starts_at="2026-10-25T02:30", ends_at="2026-10-25T03:00", time_zone="Europe/Berlin"
        )  # the first half past two, as summer time ends
        assert (made["starts_at"], made["ends_at"]) == ("2026-10-25T02:30:00+02:00", "2026-10-25T03:00:00+01:00")

    async def test_shows_utc_where_no_zone_is_named(self, book: Book) -> None:
        made = await book(time_zone=None)
        assert (made["time_zone"], made["starts_at"]) == ("UTC", "2026-06-02T09:00:00+00:00")

    @pytest.mark.parametrize(
        ("change", "place", "kind"),
        [
            ({"starts_at": "2026-06-02T12:00", "time_zone": None}, "starts_at", "moment_without_zone"),
            ({"starts_at": "tomorrow"}, "starts_at", "date_time_expected"),
            ({"starts_at": "x" * 41}, "starts_at", "value_too_long"),
            ({"starts_at": 1780000000}, "starts_at", "text_expected"),
            (
                {"starts_at": "2026-06-01T11:59:59+03:00", "ends_at": "2026-06-01T12:10+03:00"},
                "starts_at",
                "moment_past",
            ),
            ({"starts_at": "2030-06-02T12:00Z", "ends_at": "2030-06-02T13:00Z"}, "starts_at", "moment_too_far"),
            ({"ends_at": START}, "ends_at", "appointment_length"),
            ({"ends_at": "2026-06-02T12:04:59+03:00"}, "ends_at", "appointment_length"),
            ({"ends_at": "2026-06-02T20:01:00+03:00"}, "ends_at", "appointment_length"),
            ({"ends_at": "9999-12-31T23:59-23:59"}, "ends_at", "date_time_expected"),
            ({"time_zone": "MSK"}, "time_zone", "time_zone_unknown"),
            ({"time_zone": "../../etc/passwd"}, "time_zone", "time_zone_unknown"),
            ({"time_zone": "a\0b"}, "time_zone", "time_zone_unknown"),
            ({"time_zone": ""}, "time_zone", "value_too_short"),
            (
                {"starts_at": "2027-03-28T02:30", "ends_at": "2027-03-28T03:30", "time_zone": "Europe/Berlin"},
                "starts_at",
                "local_time_skipped",
            ),
            ({"note": ""}, "note", "value_too_short"),
            ({"note": "x" * 1001}, "note", "value_too_long"),
            ({"note": "a\0b"}, "note", "text_not_plain"),
            ({"note": "\u202etxt"}, "note", "text_not_plain"),
            ({"doctor_id": 987_654}, "doctor_id", "doctor_unknown"),
            ({"doctor_id": 2**63}, "doctor_id", "too_large"),
            ({"doctor_id": True}, "doctor_id", "integer_expected"),
            ({"doctor_id": "1"}, "doctor_id", "integer_expected"),
            ({"patient_id": 987_654}, "patient_id", "appointment_of_others"),
            ({"status": "confirmed"}, "body", "field_not_taken"),
            ({"id": 1}, "body", "field_not_taken"),
            ({"version": 7}, "body", "field_not_taken"),
        ],
    )
    async def test_refuses_what_cannot_be(self, office: Office, change: dict[str, Any], place: str, kind: str) -> None:
        client, headers = office.client, office.olga.headers
        response = await client.post("/appointments", json={**body_of(office.house), **change}, headers=headers)
        assert (response.status_code, response.headers["content-type"]) == (400, "application/problem+json")
        assert [(fault["loc"][-1], fault["type"]) for fault in response.json()["errors"]] == [(place, kind)]
        listed = await client.get("/appointments", headers=headers)
        assert listed.json() == {"total": 0, "appointments": []}

    @pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"doctor_id":1,"doctor_id":2}', b'{"doctor_id":NaN}'])
    async def test_refuses_what_is_no_appointment(
        self, client: httpx.AsyncClient, user_headers: Headers, content: bytes
    ) -> None:
        headers = {**user_headers, "Content-Type": "application/json"}
        assert (await client.post("/appointments", content=content, headers=headers)).status_code == 400

    async def test_is_for_oneself(self, client: httpx.AsyncClient, clock: Clock, cast: Cast, house: Person) -> None:
        olga, igor = await cast.person("olga"), await cast.person("igor")
        answers = []
        for patient_id in (igor.id, 987_654):  # who exists and who does not look the same
            body = body_of(house, patient_id=patient_id)
            answers.append((await client.post("/appointments", json=body, headers=olga.headers)).json())
        assert answers[0] == answers[1]
        assert answers[0]["errors"][0]["type"] == "appointment_of_others"

    async def test_is_by_doctors_with_themselves_and_by_administrators_for_all(
        self, office: Office, admin_headers: Headers
    ) -> None:
        olga, house, wilson = office.olga, office.house, await office.cast.person("wilson", "doctor")
        igor = await office.cast.person("igor")
        assert (await office.book(house.headers, patient_id=olga.id))["patient_id"] == olga.id
        made = await office.book(admin_headers, doctor_id=wilson.id, patient_id=igor.id)
        assert (made["patient_id"], made["doctor_id"]) == (igor.id, wilson.id)
        with_another = {"doctor_id": wilson.id, "patient_id": olga.id}
        assert await office.refuse(house.headers, **with_another) == "appointment_of_others"
        assert await office.refuse(house.headers, patient_id=987_654) == "patient_unknown"
        assert await office.refuse(house.headers) == "patient_is_doctor"

    async def test_needs_a_doctor_whose_account_is_open(self, office: Office, admin_headers: Headers) -> None:
        igor, admin = await office.cast.person("igor"), await office.cast.admin()
        await office.client.put(f"/users/{office.house.id}", json={"is_active": False}, headers=admin_headers)
        for nobody in (igor, office.house, admin):
            assert await office.refuse(office.olga.headers, doctor_id=nobody.id) == "doctor_unknown"

    @pytest.mark.parametrize(
        ("language", "detail"),
        [
            (None, "У врача или пациента уже есть приём в это время"),
            ("en", "The doctor or the patient has another appointment at that time"),
        ],
    )
    async def test_of_a_taken_time_is_a_conflict(self, office: Office, language: str | None, detail: str) -> None:
        await office.book()
        igor = await office.cast.person("igor")
        headers = {**igor.headers, **({"Accept-Language": language} if language else {})}
        response = await office.client.post("/appointments", json=body_of(office.house), headers=headers)
        assert response.status_code == 409
        assert (response.json()["type"], response.json()["detail"]) == ("/errors/appointment-overlap", detail)
        page = await office.client.get("http://testserver/errors/appointment-overlap")
        assert page.status_code == 200


class TestListing:
    async def test_shows_ones_own_by_the_start(self, office: Office, admin_headers: Headers) -> None:
        client, book, cast, olga, house = office.client, office.book, office.cast, office.olga, office.house
        late = await book(starts_at="2026-06-03T12:00Z", ends_at="2026-06-03T12:30Z")
        early = await book()
        wilson = await cast.person("wilson", "doctor")
        other = await book((await cast.person("igor")).headers, doctor_id=wilson.id)
        for headers, numbers in (
            (olga.headers, [early["id"], late["id"]]),
            (house.headers, [early["id"], late["id"]]),
            (wilson.headers, [other["id"]]),
            ((await cast.person("vera")).headers, []),
            (admin_headers, [early["id"], other["id"], late["id"]]),
        ):
            page = (await client.get("/appointments", headers=headers)).json()
            assert (page["total"], [one["id"] for one in page["appointments"]]) == (len(numbers), numbers)
        second = (await client.get("/appointments?limit=1&offset=1", headers=olga.headers)).json()
        assert second == {"total": 2, "appointments": [late]}

    async def test_filters(self, client: httpx.AsyncClient, book: Book, olga: Person, house: Person) -> None:
        late = await book(starts_at="2026-06-03T12:00Z", ends_at="2026-06-03T12:30Z")
        early = await book()
        await client.delete(f"/appointments/{late['id']}", headers=olga.headers)
        for params, numbers in (
            ({"status": "cancelled"}, [late["id"]]),
            ({"doctor_id": house.id, "patient_id": olga.id}, [early["id"], late["id"]]),
            ({"patient_id": house.id}, []),
            ({"from": "2026-06-03T15:00", "time_zone": "Europe/Moscow"}, [late["id"]]),
            ({"to": "2026-06-03T12:00:00Z"}, [early["id"]]),
            ({"from": "2026-06-02T12:00:00+03:00", "to": "2026-06-02T12:00:01+03:00"}, [early["id"]]),
            ({"from": "0001-01-01T00:00Z", "to": "9999-12-31T23:59Z"}, [early["id"], late["id"]]),
        ):
            page = (await client.get("/appointments", params=params, headers=olga.headers)).json()
            assert [one["id"] for one in page["appointments"]] == numbers, params

    @pytest.mark.parametrize(
        ("params", "place"),
        [
            ({"from": "2026-06-02T12:00"}, "from"),
            ({"to": "today"}, "to"),
            ({"to": "2026-06-02T12:00:00 03:00"}, "to"),  # a plus that was not encoded
            ({"time_zone": "MSK"}, "time_zone"),
            ({"time_zone": "\0"}, "time_zone"),
            ({"status": "open"}, "status"),
            ({"doctor_id": "0"}, "doctor_id"),
            ({"patient_id": "9" * 5000}, "patient_id"),
            ({"patient_id": "x"}, "patient_id"),
            ({"limit": "1001"}, "limit"),
            ({"limit": "0"}, "limit"),
            ({"offset": "-1"}, "offset"),
            ({"offset": str(2**63)}, "offset"),
        ],
    )
    async def test_refuses_what_cannot_be(
        self, client: httpx.AsyncClient, user_headers: Headers, params: dict[str, str], place: str
    ) -> None:
        response = await client.get("/appointments", params=params, headers=user_headers)
        assert (response.status_code, response.json()["errors"][0]["loc"]) == (400, ["query", place])


class TestChanging:
    async def test_goes_from_booked_to_done(
        self, client: httpx.AsyncClient, clock: Clock, book: Book, house: Person
    ) -> None:
        url = f"/appointments/{(await book())['id']}"
        early = await client.put(url, json={"status": "completed"}, headers=house.headers)
        assert (early.status_code, early.json()["type"]) == (409, "/errors/appointment-settled")
        confirmed = await client.put(url, json={"status": "confirmed", "version": 1}, headers=house.headers)
        assert (confirmed.status_code, confirmed.json()["status"], confirmed.json()["version"]) == (200, "confirmed", 2)
        clock.now += timedelta(days=1)
        done = await client.put(url, json={"status": "completed", "note": "ЭКГ снята"}, headers=house.headers)
        assert (done.json()["status"], done.json()["note"]) == ("completed", "ЭКГ снята")
        assert done.json()["updated_at"] == "2026-06-02T09:00:00"
        assert (await client.delete(url, headers=house.headers)).status_code == 409

    async def test_by_the_patient_moves_and_cancels_before_the_start(
        self, client: httpx.AsyncClient, clock: Clock, book: Book, olga: Person, house: Person
    ) -> None:
        url = f"/appointments/{(await book())['id']}"
        await client.put(url, json={"status": "confirmed"}, headers=house.headers)
        moved = await client.put(url, json={"starts_at": "2026-06-02T15:00"}, headers=olga.headers)
        assert (moved.json()["starts_at"], moved.json()["ends_at"], moved.json()["status"]) == (
            "2026-06-02T15:00:00+03:00",
            "2026-06-02T15:30:00+03:00",
            "booked",
        )
        refused = await client.put(url, json={"status": "confirmed"}, headers=olga.headers)
        assert (refused.status_code, refused.json()["errors"][0]["type"]) == (400, "not_one_of")
        clock.now = datetime(2026, 6, 2, 12, tzinfo=UTC)
        for late in (
            await client.put(url, json={"starts_at": "2026-06-02T18:00"}, headers=olga.headers),
            await client.delete(url, headers=olga.headers),
        ):
            assert (late.status_code, late.json()["type"]) == (409, "/errors/appointment-settled")

    async def test_refuses_what_was_changed_meanwhile(
        self, client: httpx.AsyncClient, book: Book, olga: Person, house: Person
    ) -> None:
        url = f"/appointments/{(await book())['id']}"
        await client.put(url, json={"note": "x", "version": 1}, headers=olga.headers)
        response = await client.put(url, json={"status": "confirmed", "version": 1}, headers=house.headers)
        assert (response.status_code, response.json()["type"]) == (409, "/errors/appointment-changed")
        assert (await client.put(url, json={}, headers=house.headers)).json()["version"] == 2

    async def test_to_a_taken_time_is_a_conflict(self, client: httpx.AsyncClient, book: Book, olga: Person) -> None:
        first = await book()
        second = await book(starts_at=END, ends_at="2026-06-02T13:00:00+03:00")
        response = await client.put(f"/appointments/{second['id']}", json={"starts_at": START}, headers=olga.headers)
        assert (response.status_code, response.json()["type"]) == (409, "/errors/appointment-overlap")
        longer = await client.put(
            f"/appointments/{first['id']}", json={"ends_at": "2026-06-02T12:31:00+03:00"}, headers=olga.headers
        )
        assert longer.status_code == 409

    @pytest.mark.parametrize(
        "change",
        [
            {"patient_id": 1},
            {"doctor_id": 1},
            {"id": 1},
            {"created_at": "2026-06-02T12:00"},
            {"starts_at": None},
            {"status": None},
            {"status": "open"},
            {"time_zone": None},
            {"version": None, "ends_at": ""},
            {"version": 0},
            {"version": 1.5},
            {"version": 2**63},
        ],
    )
    async def test_refuses_what_cannot_be(
        self, client: httpx.AsyncClient, book: Book, house: Person, change: dict[str, Any]
    ) -> None:
        made = await book()
        response = await client.put(f"/appointments/{made['id']}", json=change, headers=house.headers)
        assert response.status_code == 400
        assert (await client.get(f"/appointments/{made['id']}", headers=house.headers)).json() == made

    async def test_cancels_and_keeps(self, client: httpx.AsyncClient, book: Book, olga: Person) -> None:
        url = f"/appointments/{(await book())['id']}"
        for _ in range(2):
            response = await client.delete(url, headers=olga.headers)
            assert (response.status_code, response.content) == (204, b"")
        kept = (await client.get(url, headers=olga.headers)).json()
        assert (kept["status"], kept["version"]) == ("cancelled", 2)
        assert (await book())["id"] != kept["id"]
        reopened = await client.put(url, json={"status": "booked", "note": "x"}, headers=olga.headers)
        assert reopened.status_code in {400, 409}

    @pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", str(2**63), "9" * 5000, "%00", "1%2F2"])
    async def test_refuses_what_is_no_number(
        self, client: httpx.AsyncClient, user_headers: Headers, number: str
    ) -> None:
        for method in ("GET", "PUT", "DELETE"):
            body: dict[str, Any] | None = {} if method == "PUT" else None
            response = await client.request(method, f"/appointments/{number}", json=body, headers=user_headers)
            assert response.status_code in {400, 404}


class TestCalendar:
    async def test_holds_what_one_sees(
        self, client: httpx.AsyncClient, book: Book, olga: Person, house: Person, admin_headers: Headers
    ) -> None:
        made = await book(note="x, y; z")
        for headers in (olga.headers, house.headers, admin_headers):
            for path in ("/appointments.ics", f"/appointments/{made['id']}.ics"):
                calendar = await client.get(path, headers=headers)
                assert calendar.status_code == 200
                assert calendar.headers["Content-Type"] == "text/calendar; charset=utf-8"
                assert calendar.headers["Content-Disposition"] == 'attachment; filename="appointments.ics"'
                assert "DTSTART:20260602T090000Z\r\n" in calendar.text
                assert "SUMMARY:Приём у врача\r\nDESCRIPTION:x\\, y\\; z\r\n" in calendar.text
        none = await client.get("/appointments.ics?status=confirmed", headers=olga.headers)
        assert "VEVENT" not in none.text

    async def test_speaks_english(self, client: httpx.AsyncClient, book: Book, olga: Person) -> None:
        await book()
        calendar = await client.get("/appointments.ics", headers={**olga.headers, "Accept-Language": "en"})
        assert "SUMMARY:Doctor's appointment\r\n" in calendar.text

    @pytest.mark.parametrize("number", ["x", "0", "-1", "9999999999999999999", "%00"])
    async def test_refuses_what_is_no_number(
        self, client: httpx.AsyncClient, user_headers: Headers, number: str
    ) -> None:
        response = await client.get(f"/appointments/{number}.ics", headers=user_headers)
        assert (response.status_code, response.headers["Content-Type"]) == (400, "application/problem+json")

    @pytest.mark.parametrize("path", ["/appointments.ics", "/appointments/1.ics"])
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    async def test_is_only_read(self, client: httpx.AsyncClient, user_headers: Headers, path: str, method: str) -> None:
        response = await client.request(method, path, headers=user_headers)
        assert (response.status_code, response.headers["Allow"]) == (405, "HEAD, GET")


class TestAccess:
    @pytest.mark.parametrize("role", ["patient", "doctor"])
    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    async def test_answers_others_as_if_there_were_nothing(self, office: Office, role: str, method: str) -> None:
        made, stranger = await office.book(), await office.cast.person("stranger", role)
        body = {"note": "x"} if method == "PUT" else None
        answers = []
        for number in (made["id"], 987_654):
            url = f"/appointments/{number}"
            response = await office.client.request(method, url, json=body, headers=stranger.headers)
            answers.append({**response.json(), "instance": None})
        assert answers[0] == answers[1]
        assert answers[0]["status"] == 404

    async def test_ends_for_a_doctor_who_is_none_any_more(
        self, client: httpx.AsyncClient, book: Book, cast: Cast, house: Person, admin_headers: Headers
    ) -> None:
        made = await book()
        changed = await client.put(f"/users/{house.id}", json={"role": "patient"}, headers=admin_headers)
        assert changed.status_code == 200
        user = await UserRepository(cast.database).get(house.id, seen_by=None)
        assert user is not None
        again = await cast.log_in(user)
        assert (await client.get(f"/appointments/{made['id']}", headers=again.headers)).status_code == 404
        assert (await client.get("/appointments", headers=again.headers)).json()["total"] == 0

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            *(("GET", ""), ("POST", ""), ("GET", "/{id}"), ("PUT", "/{id}"), ("DELETE", "/{id}")),
            *(("GET", ".ics"), ("GET", "/{id}.ics")),
        ],
    )
    async def test_is_not_for_keys_that_are_for_something_else(self, office: Office, method: str, path: str) -> None:
        client, made = office.client, await office.book()
        key = await client.post("/auth/keys", json={"name": "n", "scopes": ["predict"]}, headers=office.olga.headers)
        body = {"POST": body_of(office.house), "PUT": {"note": "x"}}.get(method)
        url = "/appointments" + path.format(id=made["id"])
        response = await client.request(method, url, json=body, headers=bearer(key.json()["key"]))
        assert (response.status_code, response.json()["type"]) == (403, "/errors/login-required")
