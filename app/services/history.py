"""What is known about requests of the past."""

from collections.abc import Sequence
from datetime import datetime

from app.database.repositories.history import HistoryEntry, HistoryPage, HistoryRepository
from app.database.repositories.history_stats import HistoryStats


class HistoryService:
    """Keeps a record of every attempt, and tells about them.

    Parameters
    ----------
    repository
        Where the records are.
    """

    def __init__(self, repository: HistoryRepository) -> None:
        self._repository = repository

    async def record(self, entries: Sequence[HistoryEntry]) -> None:
        """Store attempts, all or none; on the disk when this returns.

        Raises
        ------
        StorageUnavailable
            They were not stored, so the request must not be answered with success.
        """
        await self._repository.add(entries)

    async def page(self, *, limit: int, offset: int) -> HistoryPage:
        """Return records, newest first, and how many there are in all."""
        return await self._repository.page(limit=limit, offset=offset)

    async def stats(self, *, since: datetime | None, until: datetime | None) -> HistoryStats:
        """Return statistics over the records from `since` up to, but without, `until`."""
        return await self._repository.stats(since=since, until=until)

    async def clear(self) -> int:
        """Erase everything and return how many records there were."""
        return await self._repository.clear()
