"""Power cuts for processes: what `powercut.c` keeps takes the place of the files."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.fixtures.skipping import skip_or_fail

SOURCE = Path(__file__).with_suffix(".c")


@dataclass(frozen=True)
class PowerCut:
    """A folder of files, and the folder of what a power cut would leave of them."""

    library: Path
    folder: Path
    durable: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables under which a process takes part."""
        return {
            "LD_PRELOAD": str(self.library),
            "POWERCUT_FROM": str(self.folder),
            "POWERCUT_TO": str(self.durable),
        }

    def assume_durable(self, *files: Path) -> None:
        """Count files as flushed that were there before."""
        for file in files:
            shutil.copy(file, self.durable / file.name)

    def restore(self) -> None:
        """Leave in the folder of the database what the power cut leaves; the processes must be dead."""
        for file in self.folder.iterdir():
            file.unlink()
        for file in self.durable.iterdir():
            if not file.name.endswith((".unnamed", ".part")):
                shutil.copy(file, self.folder / file.name)


def compile_library(folder: Path) -> Path:
    """Compile the library to preload."""
    compiler = shutil.which("cc")
    if compiler is None:
        skip_or_fail("there is no C compiler: the power cut is a small library in C")
    library = folder / "powercut.so"
    command = [compiler, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return library


def prepare(library: Path, folder: Path) -> PowerCut:
    """Make the two folders: `data`, for the database, and `durable`."""
    data, durable = folder / "data", folder / "durable"
    data.mkdir()
    durable.mkdir()
    return PowerCut(library, data.resolve(), durable.resolve())
