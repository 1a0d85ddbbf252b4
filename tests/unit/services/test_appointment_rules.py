"""Who may do what to an appointment, and when."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.constants import AppointmentStatus
from app.core.exceptions import AppointmentChanged, AppointmentSettled, InvalidInput
from app.database.repositories.appointments import AppointmentRecord, Party
from app.services.appointment_rules import (
    FARTHEST,
    LONGEST,
    NEXT,
    SHORTEST,
    Span,
    Wish,
    check_new_span,
    check_parties,
    plan_change,
)
from tests.fixtures.appointments import NOW, make_record

PATIENT, DOCTOR = Party(role="patient", is_active=True), Party(role="doctor", is_active=True)
PARTIES = {1: PATIENT, 2: DOCTOR}
STATUSES = [str(status) for status in AppointmentStatus]
MINUTE = timedelta(minutes=1)
BEFORE, AFTER = NOW, NOW + timedelta(days=1, minutes=1)
"""Before the appointment of the fixtures, and while it goes on."""


def plan(
    current: AppointmentRecord, *, manages: bool = True, now: datetime = NOW, version: int | None = None, **values: Any
) -> dict[str, Any]:
    return dict(plan_change(current, Wish(values=values, version=version, manages=manages), PARTIES, now))


def fault_of(error: pytest.ExceptionInfo[InvalidInput]) -> tuple[str, str]:
    (fault,) = error.value.errors
    return str(fault.loc[-1]), fault.type


class TestStatus:
    @pytest.mark.parametrize("now", [BEFORE, AFTER])
    @pytest.mark.parametrize("manages", [True, False])
    @pytest.mark.parametrize("before", STATUSES)
    @pytest.mark.parametrize("after", STATUSES)
    def test_goes_only_where_the_documents_say(self, before: str, after: str, manages: bool, now: datetime) -> None:
        steps = {
            ("booked", "confirmed"): (True, False),
            ("booked", "cancelled"): (True, True),
            ("confirmed", "cancelled"): (True, True),
            ("confirmed", "completed"): (now is AFTER, False),
            ("confirmed", "no_show"): (now is AFTER, False),
        }
        by_doctor, by_patient = steps.get((before, after), (False, False))
        allowed = before == after or (by_doctor if manages else by_patient and now is BEFORE)
        if allowed:
            planned = plan(make_record(status=before), status=after, manages=manages, now=now)
            assert planned == ({} if before == after else {"status": after})
        else:
            with pytest.raises((AppointmentSettled, InvalidInput)):
                plan(make_record(status=before), status=after, manages=manages, now=now)

    def test_that_is_not_the_patients_to_give_is_named(self) -> None:
        with pytest.raises(InvalidInput) as error:
            plan(make_record(), status="confirmed", manages=False)
        assert fault_of(error) == ("status", "not_one_of")

    def test_has_every_state_among_its_steps(self) -> None:
        assert set(NEXT) == set(STATUSES)


class TestMoving:
    def test_keeps_the_length_where_only_the_start_is_named(self) -> None:
        current = make_record()
        later = current.starts_at + timedelta(days=2)
        assert plan(current, starts_at=later.isoformat()) == {
            "starts_at": later,
            "ends_at": later + (current.ends_at - current.starts_at),
        }

    def test_takes_local_time_in_the_zone_of_the_appointment_or_a_new_one(self) -> None:
        current = make_record()
        in_moscow = plan(current, starts_at="2026-06-10T12:00")
        in_berlin = plan(current, starts_at="2026-06-10T12:00", time_zone="Europe/Berlin")
        assert in_moscow["starts_at"].isoformat() == "2026-06-10T09:00:00+00:00"
        assert in_berlin["starts_at"].isoformat() == "2026-06-10T10:00:00+00:00"
        assert in_berlin["time_zone"] == "Europe/Berlin"

    def test_does_nothing_where_all_is_so_already(self) -> None:
        current = make_record(note="x")
        echo: dict[str, Any] = {"starts_at": current.starts_at.isoformat(), "ends_at": current.ends_at.isoformat()}
        assert plan(current, **echo, time_zone="Europe/Moscow", status="booked", note="x", manages=False) == {}

    def test_of_a_confirmed_one_by_its_patient_is_confirmed_anew(self) -> None:
        current, moved = make_record(status="confirmed"), "2026-06-10T12:00Z"
        assert plan(current, starts_at=moved, manages=False)["status"] == "booked"
        assert "status" not in plan(current, starts_at=moved)

    @pytest.mark.parametrize("status", ["completed", "cancelled", "no_show"])
    @pytest.mark.parametrize("manages", [True, False])
    def test_is_over_when_the_appointment_is(self, status: str, manages: bool) -> None:
        with pytest.raises(AppointmentSettled):
            plan(make_record(status=status), starts_at="2026-06-10T12:00Z", manages=manages)

    def test_and_cancelling_are_two_things(self) -> None:
        with pytest.raises(AppointmentSettled):
            plan(make_record(), starts_at="2026-06-10T12:00Z", status="cancelled")

    @pytest.mark.parametrize("values", [{"starts_at": "2026-06-10T12:00Z"}, {"status": "cancelled"}, {"note": "x"}])
    def test_and_all_else_is_not_the_patients_once_it_has_begun(self, values: dict[str, Any]) -> None:
        current = make_record()
        assert plan(current, **values, manages=False, now=current.starts_at - MINUTE)
        with pytest.raises(AppointmentSettled):
            plan(current, **values, manages=False, now=current.starts_at)
        assert plan(current, **values, now=current.starts_at)

    def test_of_the_end_alone_is_possible_while_it_goes_on(self) -> None:
        current = make_record(status="confirmed")
        now = current.starts_at + 10 * MINUTE
        assert plan(current, ends_at=(now + MINUTE).isoformat(), now=now) == {"ends_at": now + MINUTE}
        with pytest.raises(InvalidInput) as error:
            plan(current, ends_at=(now - MINUTE).isoformat(), now=now)
        assert fault_of(error) == ("ends_at", "moment_past")

    def test_needs_a_doctor_who_still_is_one(self) -> None:
        wish = Wish(values={"starts_at": "2026-06-10T12:00Z"}, version=None, manages=False)
        with pytest.raises(InvalidInput) as error:
            plan_change(make_record(), wish, {1: PATIENT, 2: PATIENT}, NOW)
        assert fault_of(error) == ("doctor_id", "doctor_unknown")

    @pytest.mark.parametrize(
        ("values", "fault"),
        [
            ({"starts_at": "2026-05-31T12:00Z"}, ("starts_at", "moment_past")),
            ({"starts_at": "2036-05-31T12:00Z"}, ("starts_at", "moment_too_far")),
            ({"starts_at": "9999-12-31T23:59Z"}, ("starts_at", "moment_too_far")),
            ({"starts_at": "x"}, ("starts_at", "date_time_expected")),
            ({"starts_at": "2026-06-10T12:00Z", "ends_at": "2026-06-10T12:00Z"}, ("ends_at", "appointment_length")),
            ({"ends_at": "0001-01-01T00:00Z"}, ("ends_at", "appointment_length")),
            ({"time_zone": "MSK"}, ("time_zone", "time_zone_unknown")),
            (
                {"starts_at": "2027-03-28T02:30", "time_zone": "Europe/Berlin"},
                ("starts_at", "local_time_skipped"),
            ),
        ],
    )
    def test_to_where_nothing_can_be_is_refused(self, values: dict[str, Any], fault: tuple[str, str]) -> None:
        with pytest.raises(InvalidInput) as error:
            plan(make_record(), **values)
        assert fault_of(error) == fault

    def test_is_not_needed_to_close_one_whose_zone_is_not_known_any_more(self) -> None:
        assert plan(make_record(time_zone="Nowhere/City"), status="cancelled") == {"status": "cancelled"}
        with pytest.raises(InvalidInput) as error:
            plan(make_record(time_zone="Nowhere/City"), starts_at="2026-06-10T12:00")
        assert fault_of(error) == ("starts_at", "moment_without_zone")


class TestVersions:
    def test_refuse_what_was_changed_meanwhile(self) -> None:
        assert plan(make_record(version=3), note="x", version=3) == {"note": "x"}
        for version in (2, 4, 2**62):
            with pytest.raises(AppointmentChanged):
                plan(make_record(version=3), note="x", version=version)

    def test_lets_doctors_write_notes_afterwards(self) -> None:
        assert plan(make_record(status="completed"), note="x", now=AFTER) == {"note": "x"}
        assert plan(make_record(status="completed", note="x"), note=None, now=AFTER) == {"note": None}


class TestNewOnes:
    @pytest.mark.parametrize("length", [SHORTEST, 30 * MINUTE, LONGEST])
    @pytest.mark.parametrize("ahead", [timedelta(0), timedelta(days=1), FARTHEST])
    def test_may_be_so_long_and_so_far_away(self, length: timedelta, ahead: timedelta) -> None:
        check_new_span(Span(starts_at=NOW + ahead, ends_at=NOW + ahead + length), NOW)

    @given(
        st.timedeltas(-timedelta(days=1), timedelta(days=1)), st.timedeltas(-timedelta(days=800), timedelta(days=800))
    )
    def test_are_refused_otherwise(self, length: timedelta, ahead: timedelta) -> None:
        is_right = SHORTEST <= length <= LONGEST and timedelta(0) <= ahead <= FARTHEST
        try:
            check_new_span(Span(starts_at=NOW + ahead, ends_at=NOW + ahead + length), NOW)
        except InvalidInput:
            assert not is_right
        else:
            assert is_right

    @pytest.mark.parametrize(
        ("doctor", "patient", "fault"),
        [
            (None, PATIENT, ("doctor_id", "doctor_unknown")),
            (PATIENT, PATIENT, ("doctor_id", "doctor_unknown")),
            (Party(role="admin", is_active=True), PATIENT, ("doctor_id", "doctor_unknown")),
            (Party(role="doctor", is_active=False), PATIENT, ("doctor_id", "doctor_unknown")),
            (DOCTOR, None, ("patient_id", "patient_unknown")),
            (DOCTOR, Party(role="patient", is_active=False), ("patient_id", "patient_unknown")),
        ],
    )
    def test_need_two_who_can_meet(self, doctor: Party | None, patient: Party | None, fault: tuple[str, str]) -> None:
        parties = {number: party for number, party in ((1, patient), (2, doctor)) if party is not None}
        with pytest.raises(InvalidInput) as error:
            check_parties(parties, patient_id=1, doctor_id=2)
        assert fault_of(error) == fault
        check_parties({1: DOCTOR, 2: DOCTOR}, patient_id=1, doctor_id=2)
