"""Appointments. Whoever may see only their own asks as themselves, and finds nobody else's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Select, Table, false, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from app.core.constants import ACTIVE_APPOINTMENTS
from app.core.exceptions import AppointmentOverlap
from app.database.connection import Database, ReadSession, Unit, WriteSession
from app.database.models import Appointment
from app.database.repositories.users import TABLE as USERS

TABLE: Final = cast("Table", Appointment.__table__)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """Somebody who sees appointments of their own only: as the patient, and as a doctor those with them."""

    user_id: int
    is_doctor: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Party:
    """What is asked about an account before it takes part."""

    role: str
    is_active: bool


Parties = Mapping[int, Party]
"""Accounts by their numbers; what does not exist is not there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewAppointment:
    """An appointment as it is made."""

    patient_id: int
    doctor_id: int
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    status: str
    note: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AppointmentRecord(NewAppointment):
    """An appointment as it is stored."""

    id: int
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def is_active(self) -> bool:
        """Whether it takes anybody's time."""
        return self.status in ACTIVE_APPOINTMENTS


@dataclass(frozen=True, kw_only=True, slots=True)
class AppointmentFilter:
    """Which appointments are asked for; None asks for all."""

    status: str | None = None
    doctor_id: int | None = None
    patient_id: int | None = None
    starts_from: datetime | None = None
    starts_before: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AppointmentPage:
    """Some appointments by their start, and how many there are in all."""

    total: int
    appointments: Sequence[AppointmentRecord]


CheckParties = Callable[[Parties], None]
Decide = Callable[[AppointmentRecord, Parties], Mapping[str, Any]]
"""Says what changes of an appointment, or raises why it may not."""


class AppointmentRepository:
    """The only place that knows how appointments are stored."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, new: NewAppointment, *, now: datetime, check: CheckParties) -> AppointmentRecord:
        """
        Store an appointment.

        Parameters
        ----------
        new
            What is stored.
        now
            The moment of doing so.
        check
            Raises where these accounts may have none.

        Raises
        ------
        AppointmentOverlap
            The doctor or the patient has another one at that time.
        """

        async def unit(session: WriteSession) -> AppointmentRecord:
            check(await _lock(session, new))
            await _refuse_overlap(session, new, but=None)
            named = {name: getattr(new, name) for name in NewAppointment.__slots__}
            values = {**named, "version": 1, "created_at": now, "updated_at": now}
            row = (await session.execute(TABLE.insert().values(values).returning(*TABLE.columns))).mappings().one()
            return AppointmentRecord(**row)

        return await self._write(unit)

    async def get(self, number: int, *, seen_by: Reader | None) -> AppointmentRecord | None:
        """
        Return an appointment.

        Parameters
        ----------
        number
            Its number.
        seen_by
            Who asks, and sees only their own; None sees everybody's.
        """
        async with self._database.read() as session:
            return await _find(session, number, seen_by)

    async def page(
        self, wanted: AppointmentFilter, *, limit: int, offset: int, seen_by: Reader | None
    ) -> AppointmentPage:
        """Return at most `limit` appointments after the `offset` earliest."""
        found = _filtered(_visible(seen_by), wanted)
        earliest = found.order_by(TABLE.c.starts_at, TABLE.c.id).limit(limit).offset(offset)
        async with self._database.read() as session:
            total = (await session.execute(select(func.count()).select_from(found.subquery()))).scalar_one()
            rows = (await session.execute(earliest)).mappings().all()
        return AppointmentPage(total=total, appointments=[AppointmentRecord(**row) for row in rows])

    async def change(
        self, number: int, decide: Decide, *, now: datetime, seen_by: Reader | None
    ) -> AppointmentRecord | None:
        """
        Change an appointment and return it, None where there is none to be seen.

        Parameters
        ----------
        number
            Its number.
        decide
            Is shown the appointment as it is and stays until the commit; where nothing changes, nothing is written.
        now
            The moment of doing so.
        seen_by
            Who asks, as above.

        Raises
        ------
        AppointmentOverlap
            The doctor or the patient has another one at that time.
        """

        async def unit(session: WriteSession) -> AppointmentRecord | None:
            found = await _find(session, number, seen_by)
            if found is None:
                return None
            parties = await _lock(session, found)
            current = await _find(session, number, seen_by)  # whoever held the lock may have changed it
            if current is None:
                return None
            values = decide(current, parties)
            if not values:
                return current
            changed: dict[str, Any] = {**values, "version": current.version + 1, "updated_at": now}
            await _refuse_overlap(session, replace(current, **changed), but=number)
            statement = update(TABLE).where(TABLE.c.id == number).values(changed).returning(*TABLE.columns)
            return AppointmentRecord(**(await session.execute(statement)).mappings().one())

        return await self._write(unit)

    async def _write(self, unit: Unit[T]) -> T:
        try:
            return await self._database.writes.run(unit)
        except IntegrityError as error:  # PostgreSQL's constraints, should anybody ever write without the locks
            raise AppointmentOverlap from error


async def _lock(session: WriteSession, appointment: NewAppointment) -> Parties:
    """Let nobody else book for these two until the commit; always in one order, so that nobody waits in a ring."""
    numbers = (appointment.patient_id, appointment.doctor_id)
    people = select(USERS.c.id, USERS.c.role, USERS.c.is_active).where(USERS.c.id.in_(numbers))
    rows = await session.execute(people.order_by(USERS.c.id).with_for_update(key_share=True))
    return {row.id: Party(role=row.role, is_active=row.is_active) for row in rows}


async def _refuse_overlap(session: WriteSession, wanted: NewAppointment, *, but: int | None) -> None:
    """Refuse a time at which one of the two is taken. Every statement after the lock sees what was committed before."""
    if wanted.status not in ACTIVE_APPOINTMENTS:
        return
    people = (wanted.patient_id, wanted.doctor_id)
    other = select(TABLE.c.id).where(
        # Somebody may be a doctor here and a patient there, and is one person all the same.
        or_(TABLE.c.doctor_id.in_(people), TABLE.c.patient_id.in_(people)),
        TABLE.c.ends_at > wanted.starts_at,
        TABLE.c.starts_at < wanted.ends_at,
        TABLE.c.status.in_(ACTIVE_APPOINTMENTS),
    )
    if but is not None:
        other = other.where(TABLE.c.id != but)
    if (await session.execute(other.limit(1))).first() is not None:
        raise AppointmentOverlap


async def _find(session: ReadSession, number: int, seen_by: Reader | None) -> AppointmentRecord | None:
    row = (await session.execute(_visible(seen_by).where(TABLE.c.id == number))).mappings().one_or_none()
    return None if row is None else AppointmentRecord(**row)


def _visible(seen_by: Reader | None) -> Select[Any]:
    """Begin every query about appointments that somebody asks for."""
    everything = select(*TABLE.columns)
    if seen_by is None:
        return everything
    as_doctor = TABLE.c.doctor_id == seen_by.user_id if seen_by.is_doctor else false()
    return everything.where(or_(TABLE.c.patient_id == seen_by.user_id, as_doctor))


def _filtered(query: Select[Any], wanted: AppointmentFilter) -> Select[Any]:
    if wanted.status is not None:
        query = query.where(TABLE.c.status == wanted.status)
    if wanted.doctor_id is not None:
        query = query.where(TABLE.c.doctor_id == wanted.doctor_id)
    if wanted.patient_id is not None:
        query = query.where(TABLE.c.patient_id == wanted.patient_id)
    if wanted.starts_from is not None:
        query = query.where(TABLE.c.starts_at >= wanted.starts_from)
    if wanted.starts_before is not None:
        query = query.where(TABLE.c.starts_at < wanted.starts_before)
    return query
