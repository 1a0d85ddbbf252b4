"""Moments as people write them, in every zone and on the days when clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.zoned_time import MAX_ZONE_CHARACTERS, MomentFault, find_zone, in_zone, read_moment

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = sorted(available_timezones() - {"Factory", "localtime"})
FROM = datetime(2020, 1, 1, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=40 * 365)).map(lambda since: FROM + since)
LOCAL_TIMES = MOMENTS.map(lambda moment: moment.replace(tzinfo=None))


class TestZones:
    @pytest.mark.parametrize("name", ZONES)
    def test_are_found_by_their_names(self, name: str) -> None:
        assert find_zone(name) == ZoneInfo(name)
        assert len(name) <= MAX_ZONE_CHARACTERS

    @pytest.mark.parametrize(
        "name",
        [
            *("", "Nowhere/City", "europe", "Europe", "Europe/", "/Europe/Moscow", "Europe//Moscow", "MSK", "+03:00"),
            *("../Europe/Moscow", "Europe/../Europe/Moscow", "/etc/passwd", "zone.tab", "tzdata.zi", "leapseconds"),
            *("right/Europe/Moscow", "posix/Europe/Moscow", "posixrules", "localtime", "Factory", "Europe/Moscow\n"),
            *("a\0b", "\ud800", "Европа/Москва", "Europe/Moscow ", "x" * 5000, "a/" * 2000, "__init__", "tzdata"),
        ],
    )
    def test_of_other_names_are_none(self, name: str) -> None:
        assert find_zone(name) is None

    @given(st.text(max_size=80))
    def test_of_any_name_are_a_zone_or_none(self, name: str) -> None:
        zone = find_zone(name)
        assert zone is None or zone.key == name

    def test_that_are_not_known_any_more_show_utc(self) -> None:
        moment = datetime(2026, 6, 1, 9, tzinfo=UTC)
        assert in_zone(moment, "Nowhere/City").isoformat() == "2026-06-01T09:00:00+00:00"
        assert in_zone(moment, "Europe/Moscow").isoformat() == "2026-06-01T12:00:00+03:00"


class TestMoments:
    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("2026-06-01T12:00:00+03:00", "2026-06-01T09:00:00+00:00"),
            ("2026-06-01T12:00-03:30", "2026-06-01T15:30:00+00:00"),
            ("2026-06-01T12:00Z", "2026-06-01T12:00:00+00:00"),
            ("2026-06-01T12:00:00.25Z", "2026-06-01T12:00:00.250000+00:00"),
            ("2026-06-01T12:00:00", "2026-06-01T10:00:00+00:00"),
            ("2026-12-01T12:00", "2026-12-01T11:00:00+00:00"),
            ("2026-03-29T01:59:59", "2026-03-29T00:59:59+00:00"),
            ("2026-03-29T03:00", "2026-03-29T01:00:00+00:00"),
            # comes twice: the first
            ("2026-10-25T02:30", "2026-10-25T00:30:00+00:00"),
            ("2026-10-25T02:30+01:00", "2026-10-25T01:30:00+00:00"),
        ],
    )
    def test_are_read_with_an_offset_or_as_local_time(self, text: str, moment: str) -> None:
        assert read_moment(text, BERLIN).isoformat() == moment

    @pytest.mark.parametrize("text", ["2026-03-29T02:00", "2026-03-29T02:30:00", "2026-03-29T02:59:59.999999"])
    def test_that_clocks_skip_are_refused(self, text: str) -> None:
        assert fault_of(text, BERLIN) == "local_time_skipped"

    def test_without_an_offset_and_a_zone_are_refused(self) -> None:
        assert fault_of("2026-06-01T12:00", None) == "moment_without_zone"

    @pytest.mark.parametrize(
        "text",
        [
            *("", "now", "1780000000", "2026-06-01", "20260601T1200", "2026-06-01 12:00", "2026-W22-1T12:00"),
            *("2026-06-01T12", "2026-06-01T24:00", "2026-06-01T12:60", "2026-02-30T12:00", "2026-13-01T12:00"),
            *("2026-06-01T12:00+25:00", "2026-06-01T12:00+0300", "2026-06-01T12:00 03:00", "2026-06-01T12:00+03:00:30"),
            *("2026-06-01T12:00z", "2026-06-01T12:00:00,5", "0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00"),
            *("0000-01-01T00:00Z", "-001-01-01T00:00Z", "٢٠٢٦-06-01T12:00", "2026-06-01T12:00\n", "\ud800", "1" * 5000),
        ],
    )
    def test_that_are_none_are_refused(self, text: str) -> None:
        assert fault_of(text, BERLIN) == "date_time_expected"

    @pytest.mark.parametrize("text", ["0001-01-01T00:00", "9999-12-31T23:59"])
    @pytest.mark.parametrize("name", ["Pacific/Kiritimati", "Etc/GMT+12", "UTC"])
    def test_at_the_ends_of_the_calendar_are_read_or_refused(self, text: str, name: str) -> None:
        assert outcome_of(text, ZoneInfo(name)) in {"date_time_expected", "read"}

    @given(MOMENTS, st.sampled_from(ZONES))
    def test_come_back_as_they_are_shown(self, moment: datetime, name: str) -> None:
        assert read_moment(in_zone(moment, name).isoformat(), None) == moment

    @given(LOCAL_TIMES, st.sampled_from(ZONES))
    def test_are_the_first_at_which_the_clocks_show_this_or_skipped(self, written: datetime, name: str) -> None:
        zone = ZoneInfo(name)
        shown = {
            moment
            for fold in (0, 1)
            if (moment := written.replace(tzinfo=zone, fold=fold).astimezone(UTC)).astimezone(zone).replace(tzinfo=None)
            == written
        }
        if shown:
            assert read_moment(written.isoformat(), zone) == min(shown)
        else:
            assert fault_of(written.isoformat(), zone) == "local_time_skipped"

    @given(st.integers(2020, 2059), st.sampled_from(ZONES), st.integers(0, 3), st.integers(-90, 90))
    def test_around_every_change_of_clocks_are_one_or_none(
        self, year: int, name: str, which: int, minutes: int
    ) -> None:
        zone = ZoneInfo(name)
        changes = changes_of_clocks(year, zone)
        if not changes:
            return
        written = (changes[which % len(changes)] + timedelta(minutes=minutes)).replace(tzinfo=None)
        outcome = outcome_of(written.isoformat(), zone)
        if outcome == "read":
            assert in_zone(read_moment(written.isoformat(), zone), name).replace(tzinfo=None) == written
        else:
            assert outcome == "local_time_skipped"

    @given(st.text(max_size=40), st.sampled_from(ZONES))
    def test_of_any_text_are_one_or_a_fault(self, text: str, name: str) -> None:
        assert outcome_of(text, ZoneInfo(name)) in {"date_time_expected", "local_time_skipped", "read"}


def fault_of(text: str, zone: ZoneInfo | None) -> str:
    with pytest.raises(MomentFault) as fault:
        read_moment(text, zone)
    return fault.value.code


def outcome_of(text: str, zone: ZoneInfo) -> str:
    """Return what is wrong with a text, `read` where nothing is."""
    try:
        read_moment(text, zone)
    except MomentFault as fault:
        return fault.code
    return "read"


def changes_of_clocks(year: int, zone: ZoneInfo) -> list[datetime]:
    """Return half past two on the days of a year on which the offset is another than the day before."""
    nights = [datetime(year, 1, 1, 2, 30, tzinfo=zone) + timedelta(days=day) for day in range(366)]
    return [after for before, after in pairwise(nights) if before.utcoffset() != after.utcoffset()]
