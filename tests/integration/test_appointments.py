"""Appointments on both databases, asked for by many at once."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from app.core.exceptions import AppointmentOverlap, StorageUnavailable
from app.database.connection import Database, WriteSession
from app.database.models import Appointment
from app.database.repositories.appointments import (
    AppointmentFilter,
    AppointmentRecord,
    AppointmentRepository,
    NewAppointment,
    Parties,
    Party,
    Reader,
)
from tests.fixtures.app import StartClient
from tests.fixtures.appointments import HALF_AN_HOUR, NOW, add_account, add_appointment, make_new
from tests.fixtures.auth import Cast

MANY = 50
START = NOW + timedelta(days=1)


@dataclass
class Clinic:
    """Two doctors and two patients, by their numbers."""

    database: Database
    house: int
    wilson: int
    olga: int
    igor: int

    @property
    def repository(self) -> AppointmentRepository:
        return AppointmentRepository(self.database)

    async def add(self, **changes: Any) -> AppointmentRecord:
        given = {"patient_id": self.olga, "doctor_id": self.house, "starts_at": START}
        return await add_appointment(self.database, **{**given, **changes})

    async def change(self, number: int, **values: Any) -> AppointmentRecord | None:
        def decide(_current: AppointmentRecord, _parties: Parties) -> Mapping[str, Any]:
            return values

        return await self.repository.change(number, decide, now=NOW, seen_by=None)


@pytest.fixture
async def clinic(database: Database) -> Clinic:
    return await make_clinic(database)


async def make_clinic(database: Database) -> Clinic:
    return Clinic(
        database,
        house=(await add_account(database, "house", "doctor")).id,
        wilson=(await add_account(database, "wilson", "doctor")).id,
        olga=(await add_account(database, "olga")).id,
        igor=(await add_account(database, "igor")).id,
    )


class TestBooking:
    async def test_keeps_what_it_is_given(self, clinic: Clinic) -> None:
        new = make_new(patient_id=clinic.olga, doctor_id=clinic.house, note="натощак\nс выпиской")
        stored = await clinic.repository.add(new, now=NOW, check=lambda _parties: None)
        assert stored == AppointmentRecord(**asdict(new), id=stored.id, version=1, created_at=NOW, updated_at=NOW)
        assert await clinic.repository.get(stored.id, seen_by=None) == stored

    async def test_shows_the_accounts_to_whoever_decides(self, clinic: Clinic) -> None:
        seen: list[Parties] = []
        await clinic.repository.add(
            make_new(patient_id=clinic.olga, doctor_id=clinic.house), now=NOW, check=seen.append
        )
        assert seen == [
            {
                clinic.house: Party(role="doctor", is_active=True),
                clinic.olga: Party(role="patient", is_active=True),
            }
        ]

    @pytest.mark.parametrize(
        ("shift_min", "length_min", "is_free"),
        [
            (0, 30, False),
            (-10, 20, False),
            (20, 30, False),
            (5, 10, False),
            (-30, 90, False),
            (-30, 30, True),
            (30, 30, True),
            (-31, 32, False),
        ],
    )
    async def test_lets_them_touch_but_not_overlap(
        self, clinic: Clinic, shift_min: int, length_min: int, is_free: bool
    ) -> None:
        await clinic.add()
        starts_at = START + timedelta(minutes=shift_min)
        other = {
            "patient_id": clinic.igor,
            "starts_at": starts_at,
            "ends_at": starts_at + timedelta(minutes=length_min),
        }
        if is_free:
            assert (await clinic.add(**other)).id
        else:
            with pytest.raises(AppointmentOverlap):
                await clinic.add(**other)

    async def test_takes_a_patients_time_as_well_as_a_doctors(self, clinic: Clinic) -> None:
        await clinic.add()
        with pytest.raises(AppointmentOverlap):
            await clinic.add(doctor_id=clinic.wilson)
        with pytest.raises(AppointmentOverlap):  # a doctor who is with a patient is nobody's patient then
            await clinic.add(doctor_id=clinic.wilson, patient_id=clinic.house)
        assert (await clinic.add(doctor_id=clinic.wilson, patient_id=clinic.igor)).id

    @pytest.mark.parametrize("status", ["completed", "cancelled", "no_show"])
    async def test_frees_the_time_of_what_is_closed(self, clinic: Clinic, status: str) -> None:
        await clinic.change((await clinic.add()).id, status=status)
        assert (await clinic.add()).id

    async def test_of_fifty_at_once_one_gets_the_time_of_a_doctor(self, clinic: Clinic) -> None:
        patients = [await add_account(clinic.database, f"patient{number}") for number in range(MANY)]
        outcomes = await asyncio.gather(
            *(clinic.add(patient_id=patient.id) for patient in patients), return_exceptions=True
        )
        assert Counter(type(outcome) for outcome in outcomes) == {AppointmentRecord: 1, AppointmentOverlap: MANY - 1}
        page = await clinic.repository.page(AppointmentFilter(), limit=100, offset=0, seen_by=None)
        assert page.total == 1

    async def test_of_many_at_once_a_patient_gets_one_whoever_the_doctor_is(self, clinic: Clinic) -> None:
        doctors = [await add_account(clinic.database, f"doctor{number}", "doctor") for number in range(20)]
        outcomes = await asyncio.gather(
            *(clinic.add(doctor_id=doctor.id) for doctor in doctors), return_exceptions=True
        )
        assert Counter(type(outcome) for outcome in outcomes) == {AppointmentRecord: 1, AppointmentOverlap: 19}

    async def test_waits_in_no_ring_when_two_book_one_another(self, clinic: Clinic) -> None:
        pairs = [(clinic.house, clinic.wilson), (clinic.wilson, clinic.house)] * 10
        outcomes = await asyncio.gather(
            *(clinic.add(patient_id=patient, doctor_id=doctor) for patient, doctor in pairs), return_exceptions=True
        )
        assert Counter(type(outcome) for outcome in outcomes) == {AppointmentRecord: 1, AppointmentOverlap: 19}

    async def test_writes_nothing_when_the_accounts_will_not_do(self, clinic: Clinic) -> None:
        def refuse(_parties: Parties) -> None:
            raise StorageUnavailable

        with pytest.raises(StorageUnavailable):
            await clinic.repository.add(make_new(patient_id=clinic.olga, doctor_id=clinic.house), now=NOW, check=refuse)
        page = await clinic.repository.page(AppointmentFilter(), limit=100, offset=0, seen_by=None)
        assert (page.total, page.appointments) == (0, [])


class TestTable:
    @pytest.mark.parametrize(
        "changes", [{"ends_at": START}, {"ends_at": START - HALF_AN_HOUR}, {"status": "open"}, {"version": 0}]
    )
    async def test_refuses_what_cannot_be(self, clinic: Clinic, changes: dict[str, Any]) -> None:
        with pytest.raises(IntegrityError):
            await insert(clinic, make_new(patient_id=clinic.olga, doctor_id=clinic.house), **changes)

    async def test_knows_nobody_who_sees_themselves(self, clinic: Clinic) -> None:
        with pytest.raises(IntegrityError):
            await insert(clinic, make_new(patient_id=clinic.house, doctor_id=clinic.house))

    @pytest.mark.postgres
    @pytest.mark.parametrize("person", ["patient_id", "doctor_id"])
    async def test_refuses_an_overlap_on_postgresql_whoever_forgets_the_locks(
        self, postgres_url: str, person: str
    ) -> None:
        clinic = await make_clinic(database := Database(postgres_url))
        first = make_new(patient_id=clinic.olga, doctor_id=clinic.house)
        others = {"patient_id": clinic.igor, "doctor_id": clinic.wilson}
        await insert(clinic, first)
        second = replace(first, **{**others, person: getattr(first, person)})
        with pytest.raises(IntegrityError):
            await insert(clinic, second)
        await insert(clinic, replace(second, status="cancelled"))
        await insert(clinic, replace(second, starts_at=first.ends_at, ends_at=first.ends_at + HALF_AN_HOUR))
        await database.close()


async def insert(clinic: Clinic, new: NewAppointment, **changes: Any) -> None:
    """Write past the repository."""
    values = {**asdict(new), "version": 1, "created_at": NOW, "updated_at": NOW, **changes}

    async def unit(session: WriteSession) -> None:
        session.add(Appointment(**values))

    await clinic.database.writes.run(unit)


class TestChanging:
    async def test_counts_versions_and_keeps_the_rest(self, clinic: Clinic) -> None:
        made = await clinic.add(note="натощак")
        changed = await clinic.change(made.id, status="confirmed")
        assert changed == replace(made, status="confirmed", version=2)

    async def test_writes_nothing_where_nothing_changes(self, clinic: Clinic) -> None:
        made = await clinic.add()
        assert await clinic.change(made.id) == made

    async def test_moves_over_its_own_time_but_not_over_anothers(self, clinic: Clinic) -> None:
        first, second = await clinic.add(), await clinic.add(starts_at=START + HALF_AN_HOUR)
        later = START + timedelta(minutes=10)
        with pytest.raises(AppointmentOverlap):
            await clinic.change(first.id, starts_at=later, ends_at=later + HALF_AN_HOUR)
        assert await clinic.repository.get(first.id, seen_by=None) == first
        moved = await clinic.change(second.id, starts_at=second.starts_at, ends_at=second.ends_at + HALF_AN_HOUR)
        assert moved is not None
        assert moved.ends_at == second.ends_at + HALF_AN_HOUR

    async def test_of_many_at_once_each_sees_what_the_one_before_did(self, clinic: Clinic) -> None:
        made, seen = await clinic.add(), []

        def decide(current: AppointmentRecord, _parties: Parties) -> Mapping[str, Any]:
            seen.append(current.version)
            return {"note": str(current.version)}

        repository = clinic.repository
        await asyncio.gather(*(repository.change(made.id, decide, now=NOW, seen_by=None) for _ in range(20)))
        assert sorted(seen) == list(range(1, 21))

    async def test_and_booking_at_once_leave_one_in_a_place(self, clinic: Clinic) -> None:
        movable = [await clinic.add(starts_at=START + timedelta(hours=hours)) for hours in range(1, 11)]
        wanted = {"starts_at": START, "ends_at": START + HALF_AN_HOUR}
        outcomes = await asyncio.gather(
            *(clinic.change(one.id, **wanted) for one in movable),
            *(clinic.add(patient_id=clinic.igor) for _ in range(10)),
            return_exceptions=True,
        )
        assert Counter(type(outcome) for outcome in outcomes) == {AppointmentRecord: 1, AppointmentOverlap: 19}


class TestListing:
    async def numbers(self, clinic: Clinic, seen_by: Reader | None = None, **wanted: Any) -> list[int]:
        page = await clinic.repository.page(AppointmentFilter(**wanted), limit=100, offset=0, seen_by=seen_by)
        assert page.total == len(page.appointments)
        return [one.id for one in page.appointments]

    async def test_goes_by_the_start(self, clinic: Clinic) -> None:
        late, early = await clinic.add(starts_at=START + timedelta(hours=1)), await clinic.add()
        assert await self.numbers(clinic) == [early.id, late.id]
        page = await clinic.repository.page(AppointmentFilter(), limit=1, offset=1, seen_by=None)
        assert (page.total, [one.id for one in page.appointments]) == (2, [late.id])

    async def test_begins_with_what_one_may_see(self, clinic: Clinic) -> None:
        olgas = await clinic.add()
        igors = await clinic.add(patient_id=clinic.igor, doctor_id=clinic.wilson)
        doctors_own = await clinic.add(
            patient_id=clinic.house, doctor_id=clinic.wilson, starts_at=START + timedelta(hours=1)
        )
        seen = {
            (clinic.olga, False): [olgas.id],
            (clinic.igor, False): [igors.id],
            (clinic.house, True): [olgas.id, doctors_own.id],
            (clinic.house, False): [doctors_own.id],  # was a doctor once
            (clinic.wilson, True): [igors.id, doctors_own.id],
            (clinic.wilson, False): [],
        }
        for (number, is_doctor), numbers in seen.items():
            assert await self.numbers(clinic, Reader(user_id=number, is_doctor=is_doctor)) == numbers
        stranger = Reader(user_id=clinic.igor, is_doctor=False)
        assert await clinic.repository.get(olgas.id, seen_by=stranger) is None
        assert await clinic.repository.change(olgas.id, lambda *_: {}, now=NOW, seen_by=stranger) is None

    async def test_filters_by_everything_at_once(self, clinic: Clinic) -> None:
        first, second = await clinic.add(), await clinic.add(starts_at=START + timedelta(hours=1))
        third = await clinic.add(patient_id=clinic.igor, doctor_id=clinic.wilson)
        await clinic.change(second.id, status="confirmed")
        assert await self.numbers(clinic, status="confirmed") == [second.id]
        assert await self.numbers(clinic, doctor_id=clinic.wilson) == [third.id]
        assert await self.numbers(clinic, patient_id=clinic.olga) == [first.id, second.id]
        assert await self.numbers(clinic, starts_from=START, starts_before=second.starts_at) == [first.id, third.id]
        assert await self.numbers(clinic, starts_from=datetime(1, 1, 1, tzinfo=UTC), status="no_show") == []
        assert await self.numbers(clinic, patient_id=clinic.igor, doctor_id=clinic.house) == []


class TestService:
    async def test_gives_a_time_to_one_of_fifty_who_ask_two_applications(
        self, start: StartClient, database: Database, database_url: str
    ) -> None:
        clients = [await start(database_url=database_url), await start(database_url=database_url)]
        cast = Cast(database)
        house = await cast.person("house", "doctor")
        day = (datetime.now(UTC) + timedelta(days=1)).date()
        body = {"doctor_id": house.id, "starts_at": f"{day}T10:00Z", "ends_at": f"{day}T10:30Z"}
        patients = [await cast.person(f"patient{number}") for number in range(MANY)]
        answers = await asyncio.gather(
            *(
                clients[number % 2].post("/appointments", json=body, headers=patient.headers)
                for number, patient in enumerate(patients)
            )
        )
        assert Counter(answer.status_code for answer in answers) == {201: 1, 409: MANY - 1}
        listed = await clients[0].get("/appointments", headers=house.headers)
        assert listed.json()["total"] == 1

    async def test_moves_and_cancels_and_filters_alike_on_both_databases(
        self, start: StartClient, database: Database, database_url: str
    ) -> None:
        client, cast = await start(database_url=database_url), Cast(database)
        house, olga = await cast.person("house", "doctor"), await cast.person("olga")
        day = (datetime.now(UTC) + timedelta(days=1)).date()
        body = {"doctor_id": house.id, "starts_at": f"{day}T10:00Z", "ends_at": f"{day}T10:30Z", "note": "натощак"}
        number = (await client.post("/appointments", json=body, headers=olga.headers)).json()["id"]
        moved = await client.put(
            f"/appointments/{number}", json={"starts_at": f"{day}T11:00:00.000001Z"}, headers=olga.headers
        )
        assert moved.json()["starts_at"] == f"{day}T11:00:00.000001+00:00"
        assert (await client.delete(f"/appointments/{number}", headers=house.headers)).status_code == 204
        for params, total in (
            ({"status": "cancelled", "from": f"{day}T11:00:00.000001Z"}, 1),
            ({"from": f"{day}T11:00:00.000002Z"}, 0),
            ({"from": "0001-01-01T00:00Z", "to": "9999-12-31T23:59Z"}, 1),
            ({"doctor_id": str(2**63 - 1)}, 0),
        ):
            page = await client.get("/appointments", params=params, headers=olga.headers)
            assert (page.status_code, page.json()["total"]) == (200, total)
        missing = await client.get(f"/appointments/{2**63 - 1}", headers=olga.headers)
        assert missing.status_code == 404
