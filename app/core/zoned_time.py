"""Moments as people write them: with an offset, or as the clock on the wall of some place shows."""

import re
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MAX_ZONE_CHARACTERS: Final = 64
_MOMENT: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?P<offset>Z|[+-]\d{2}:\d{2})?", re.ASCII
)
_NAME: Final = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2}")
_OTHER_CLOCKS: Final = ("posix/", "right/")
"""The same zones once more; the second ones count leap seconds."""
_NO_PLACES: Final = frozenset({"Factory", "localtime", "posixrules"})
"""Names of whatever the machine is set to."""


class MomentFault(ValueError):
    """A text that names no moment; the code says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def find_zone(name: str) -> ZoneInfo | None:
    """Return a time zone by its IANA name, None where there is none of this name.

    Examples
    --------
    >>> find_zone("Europe/Moscow"), find_zone("Europe"), find_zone("MSK")
    (zoneinfo.ZoneInfo(key='Europe/Moscow'), None, None)
    """
    if _NAME.fullmatch(name) is None or name.startswith(_OTHER_CLOCKS) or name in _NO_PLACES:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # no such file, one of another kind, a folder
        return None


def in_zone(moment: datetime, name: str) -> datetime:
    """Return a moment as a zone's clocks show it; in UTC where the zone is not known any more."""
    return moment.astimezone(find_zone(name) or UTC)


def read_moment(text: str, zone: ZoneInfo | None) -> datetime:
    """Read an ISO 8601 date and time, and return the moment in UTC.

    Parameters
    ----------
    text
        With an offset, or without one as local time.
    zone
        Where local time is meant. Of an hour that comes twice, when clocks go back, it is the first.

    Raises
    ------
    MomentFault
        It is no date and time, the offset and the zone are missing, or the clocks of the zone skip this time.

    Examples
    --------
    >>> read_moment("2026-07-01T12:00", ZoneInfo("Europe/Berlin")).isoformat()
    '2026-07-01T10:00:00+00:00'
    """
    form = _MOMENT.fullmatch(text)
    if form is None:
        raise MomentFault("date_time_expected")
    try:
        written = datetime.fromisoformat(text)
        if form["offset"] is not None:
            return written.astimezone(UTC)
        if zone is None:
            raise MomentFault("moment_without_zone")
        return _local(written, zone)
    except OverflowError:
        raise MomentFault("date_time_expected") from None
    except ValueError as error:
        raise error if isinstance(error, MomentFault) else MomentFault("date_time_expected") from None


def _local(written: datetime, zone: ZoneInfo) -> datetime:
    moment = written.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != written:
        raise MomentFault("local_time_skipped")
    return moment
