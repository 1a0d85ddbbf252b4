"""Fetch PTB-XL from PhysioNet, for people with a network.

`uv run python -m model_training.download` fills datasets/ptb-xl: the tables and the 500 Hz recordings, 2.8 GB. Every
file is checked against the published SHA256SUMS.txt. Run it again after a break: what is whole is kept, what is half is
continued.
"""

import argparse
import http.client
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from hashlib import file_digest, sha256
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Final

from tqdm import tqdm

BASE_URL: Final = "https://physionet.org/files/ptb-xl/1.0.3/"
SUMS_FILE: Final = "SHA256SUMS.txt"
WANTED_FOLDER: Final = "records500"
SIGNAL_SUFFIXES: Final = frozenset({".dat", ".hea"})
DEFAULT_FOLDER: Final = Path(__file__).resolve().parent.parent / "datasets" / "ptb-xl"
CONNECTIONS: Final = 4
ATTEMPTS: Final = 5
TIMEOUT_S: Final = 30.0
PAUSE_S: Final = 1.0
CHUNK_BYTES: Final = 1 << 16
MAX_SUMS_BYTES: Final = 64 << 20

_TRANSIENT: Final = (OSError, http.client.HTTPException)
_WORTH_ANOTHER_ATTEMPT: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


class DownloadError(Exception):
    """Something could not be fetched; the text says what and why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """One file of the database: where it lies, and what its bytes must sum up to."""

    path: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Downloader:
    """Fetches files into a folder.

    Attributes
    ----------
    base_url
        Address of the folder that holds SHA256SUMS.txt, with a slash at the end.
    folder
        Where the files go.
    pause_s
        Wait before the second attempt at a file; doubled before each further one.
    """

    base_url: str
    folder: Path
    connections: int = CONNECTIONS
    attempts: int = ATTEMPTS
    pause_s: float = PAUSE_S
    quiet: bool = False

    def run(self) -> int:
        """Fetch everything that is wanted and not there yet; return the number of files.

        Raises
        ------
        DownloadError
            If a file could not be fetched after all attempts. The others are kept.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted = wanted_files(self._sums())
        failed = []
        with ThreadPoolExecutor(self.connections) as pool:
            tasks = {pool.submit(self.fetch, one): one for one in wanted}
            for task in tqdm(as_completed(tasks), total=len(tasks), desc="PTB-XL", unit="file", disable=self.quiet):
                try:
                    task.result()
                except DownloadError as error:
                    failed.append(str(error))
        if failed:
            more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
            raise DownloadError(f"{failed[0]}{more}: run this again to go on")
        return len(wanted)

    def fetch(self, wanted: Wanted) -> None:
        """Fetch one file, continuing where an earlier attempt broke off.

        Raises
        ------
        DownloadError
            If the server would not give it, or gave another file than the published one.
        """
        target = self.folder / wanted.path
        if target.is_file() and _sha256_of(target) == wanted.sha256:
            return
        part = target.with_name(target.name + ".part")
        part.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(self.pause_s * 2 ** (attempt - 1))
            try:
                self._continue(wanted.path, part)
            except urllib.error.HTTPError as error:
                reason = f"{wanted.path}: the server says {error.code} {error.reason}"
                if error.code not in _WORTH_ANOTHER_ATTEMPT:
                    break
                continue
            except _TRANSIENT as error:
                reason = f"{wanted.path}: {error}"
                continue
            if _sha256_of(part) == wanted.sha256:
                part.replace(target)
                return
            part.unlink()
            reason = f"{wanted.path}: the file received is not the published one"
        raise DownloadError(reason)

    def _continue(self, path: str, part: Path) -> None:
        """Append to `part` what is missing of it, or write it anew where the server does not continue."""
        have = part.stat().st_size if part.exists() else 0
        request = urllib.request.Request(self.base_url + path, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
        try:
            answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
                return  # nothing is missing: the checksum decides
            raise
        with answer, part.open("ab" if answer.status == HTTPStatus.PARTIAL_CONTENT else "wb") as file:
            promised = answer.headers["Content-Length"]
            received = 0
            for chunk in _chunks(answer):
                file.write(chunk)
                received += len(chunk)
        if promised is not None and received < int(promised):
            raise ConnectionError(f"the connection broke off after {received} of {promised} bytes")

    def _sums(self) -> dict[str, str]:
        """Fetch the sums by path, every time: they are what everything is checked against."""
        try:
            with urllib.request.urlopen(self.base_url + SUMS_FILE, timeout=TIMEOUT_S) as answer:  # noqa: S310
                text = answer.read(MAX_SUMS_BYTES).decode("utf-8", "replace")
        except _TRANSIENT as error:
            raise DownloadError(f"{self.base_url}{SUMS_FILE} cannot be read: {error}") from error
        return parse_sums(text)


def parse_sums(text: str) -> dict[str, str]:
    """Read the output of sha256sum; lines that are not such, or that name a path outside the folder, are not taken."""
    sums = {}
    for line in text.splitlines():
        digest, _, name = line.partition(" ")
        path = PurePosixPath(name.strip().removeprefix("*"))
        if len(digest) == sha256().digest_size * 2 and path.parts and not path.is_absolute() and ".." not in path.parts:
            sums[str(path)] = digest.lower()
    return sums


def wanted_files(sums: dict[str, str]) -> list[Wanted]:
    """Pick the tables, the licence and the 500 Hz recordings; small files first, so that a wrong folder shows at once.

    Raises
    ------
    DownloadError
        If the list holds no recordings.
    """
    top = [path for path in sums if "/" not in path and path != SUMS_FILE]
    signals = [
        path for path in sums if path.startswith(f"{WANTED_FOLDER}/") and PurePosixPath(path).suffix in SIGNAL_SUFFIXES
    ]
    if not signals:
        raise DownloadError(f"{SUMS_FILE} lists no recordings under {WANTED_FOLDER}/: is the address right?")
    return [Wanted(path=path, sha256=sums[path]) for path in sorted(top) + sorted(signals)]


def _chunks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while chunk := answer.read(CHUNK_BYTES):
        yield chunk


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Download; the exit status is 1 where something is still missing."""
    parser = argparse.ArgumentParser(prog="download", description="Fetch PTB-XL from PhysioNet (2.8 GB, CC BY 4.0).")
    parser.add_argument("--out", type=Path, default=DEFAULT_FOLDER, help="folder (default: datasets/ptb-xl)")
    parser.add_argument("--url", default=BASE_URL, help="where the database lies, for a mirror")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help=f"at a time (default: {CONNECTIONS})")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(arguments)
    if not options.url.startswith(("https://", "http://")):
        parser.error("--url is an http or https address")
    base_url = options.url.rstrip("/") + "/"
    downloader = Downloader(base_url=base_url, folder=options.out, connections=options.connections, quiet=options.quiet)
    try:
        n_files = downloader.run()
    except DownloadError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{n_files} files in {options.out}, every one as published")
    return 0


if __name__ == "__main__":
    sys.exit(main())
