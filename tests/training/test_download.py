import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from model_training.download import Downloader, DownloadError, Wanted, main, parse_sums, wanted_files

FILES = {
    "ptbxl_database.csv": b"ecg_id\n1\n",
    "LICENSE.txt": b"CC BY 4.0\n",
    "records500/00000/00001_hr.hea": b"header",
    "records500/00000/00001_hr.dat": bytes(range(256)) * 1000,
    "records100/00000/00001_lr.dat": b"not wanted",
}
BIG = "records500/00000/00001_hr.dat"


class FakeSite(ThreadingHTTPServer):
    """Serves FILES with ranges; can break off, lie or fail a number of times for a path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = dict(FILES)
        self.sums = "".join(f"{sha256(data).hexdigest()} {path}\n" for path, data in FILES.items())
        self.break_off: Counter[str] = Counter()
        self.fail: Counter[str] = Counter()
        self.ignores_ranges = False
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/ptb-xl/"

    def asked_for(self, path: str) -> list[str | None]:
        return [byte_range for asked, byte_range in self.asked if asked == path]


class _Handler(BaseHTTPRequestHandler):
    server: FakeSite

    def do_GET(self) -> None:
        path = self.path.removeprefix("/ptb-xl/")
        byte_range = self.headers["Range"]
        self.server.asked.append((path, byte_range))
        if self.server.fail[path] > 0:
            self.server.fail[path] -= 1
            self.send_error(503)
            return
        data = self.server.sums.encode() if path == "SHA256SUMS.txt" else self.server.files.get(path)
        if data is None:
            self.send_error(404)
            return
        self._send(path, data, None if self.server.ignores_ranges else byte_range)

    def _send(self, path: str, data: bytes, byte_range: str | None) -> None:
        start = int(byte_range.removeprefix("bytes=").rstrip("-")) if byte_range else 0
        if byte_range and start >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if byte_range else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if self.server.break_off[path] > 0:
            self.server.break_off[path] -= 1
            self.wfile.write(data[start : start + (len(data) - start) // 2])
            self.close_connection = True
            return
        self.wfile.write(data[start:])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[FakeSite]:
    server = FakeSite()
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def _downloader(site: FakeSite, folder: Path) -> Downloader:
    return Downloader(base_url=site.url, folder=folder, attempts=3, pause_s=0.0, quiet=True)


def test_fetches_tables_and_500_hz_recordings_only(site: FakeSite, tmp_path: Path) -> None:
    assert _downloader(site, tmp_path).run() == 4
    fetched = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert fetched == set(FILES) - {"records100/00000/00001_lr.dat"}
    assert all((tmp_path / path).read_bytes() == FILES[path] for path in fetched)


def test_a_second_run_fetches_nothing_again(site: FakeSite, tmp_path: Path) -> None:
    _downloader(site, tmp_path).run()
    site.asked.clear()
    _downloader(site, tmp_path).run()
    assert site.asked == [("SHA256SUMS.txt", None)]


def test_continues_a_transfer_that_broke_off(site: FakeSite, tmp_path: Path) -> None:
    site.break_off[BIG] = 1
    _downloader(site, tmp_path).run()
    assert site.asked_for(BIG) == [None, "bytes=128000-"]
    assert (tmp_path / BIG).read_bytes() == FILES[BIG]


def test_continues_where_an_earlier_run_was_stopped(site: FakeSite, tmp_path: Path) -> None:
    part = tmp_path / f"{BIG}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(FILES[BIG][:1000])
    _downloader(site, tmp_path).run()
    assert site.asked_for(BIG) == ["bytes=1000-"]
    assert (tmp_path / BIG).read_bytes() == FILES[BIG]
    assert not part.exists()


def test_keeps_a_part_that_was_already_whole(site: FakeSite, tmp_path: Path) -> None:
    part = tmp_path / f"{BIG}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(FILES[BIG])
    _downloader(site, tmp_path).run()
    assert (tmp_path / BIG).read_bytes() == FILES[BIG]


def test_starts_over_where_the_server_does_not_continue(site: FakeSite, tmp_path: Path) -> None:
    site.ignores_ranges = True
    site.break_off[BIG] = 1
    _downloader(site, tmp_path).run()
    assert (tmp_path / BIG).read_bytes() == FILES[BIG]


def test_fetches_a_spoilt_file_again(site: FakeSite, tmp_path: Path) -> None:
    _downloader(site, tmp_path).run()
    (tmp_path / BIG).write_bytes(b"spoilt")
    _downloader(site, tmp_path).run()
    assert (tmp_path / BIG).read_bytes() == FILES[BIG]


def test_throws_a_spoilt_part_away(site: FakeSite, tmp_path: Path) -> None:
    part = tmp_path / f"{BIG}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 1000)
    _downloader(site, tmp_path).run()
    assert site.asked_for(BIG) == ["bytes=1000-", None]
    assert (tmp_path / BIG).read_bytes() == FILES[BIG]


def test_does_not_keep_a_file_that_is_not_the_published_one(site: FakeSite, tmp_path: Path) -> None:
    site.files[BIG] = b"something else"
    with pytest.raises(DownloadError, match=r"00001_hr\.dat: the file received is not the published one"):
        _downloader(site, tmp_path).run()
    assert not (tmp_path / BIG).exists()
    assert (tmp_path / "ptbxl_database.csv").exists()


def test_tries_again_when_the_server_is_busy(site: FakeSite, tmp_path: Path) -> None:
    site.fail[BIG] = 2
    _downloader(site, tmp_path).run()
    assert len(site.asked_for(BIG)) == 3


def test_asks_once_for_what_is_not_there(site: FakeSite, tmp_path: Path) -> None:
    del site.files[BIG]
    with pytest.raises(DownloadError, match="404"):
        _downloader(site, tmp_path).run()
    assert len(site.asked_for(BIG)) == 1


def test_says_that_the_site_cannot_be_reached(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="SHA256SUMS"):
        Downloader(base_url="http://127.0.0.1:9/", folder=tmp_path, quiet=True).run()


def test_refuses_an_address_without_recordings(site: FakeSite, tmp_path: Path) -> None:
    site.sums = ""
    with pytest.raises(DownloadError, match="lists no recordings"):
        _downloader(site, tmp_path).run()


def test_takes_no_path_that_leaves_the_folder() -> None:
    digest = "a" * 64
    text = f"{digest} ../evil\n{digest} /etc/passwd\n{digest} records500/../../evil\n{digest} *fine.csv\nnonsense\n"
    assert parse_sums(text) == {"fine.csv": digest}


def test_tables_come_before_recordings() -> None:
    wanted = wanted_files({"records500/a.dat": "1", "z.csv": "2", "SHA256SUMS.txt": "3", "records500/index.html": "4"})
    assert wanted == [Wanted(path="z.csv", sha256="2"), Wanted(path="records500/a.dat", sha256="1")]


def test_the_command_says_what_it_did(site: FakeSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--url", site.url, "--out", str(tmp_path), "--quiet"]) == 0
    assert "4 files" in capsys.readouterr().out


def test_the_command_fails_where_something_is_missing(
    site: FakeSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del site.files[BIG]
    assert main(["--url", site.url, "--out", str(tmp_path), "--quiet"]) == 1
    assert "run this again" in capsys.readouterr().err
