"""Compiles `app/native` when the project is built or installed; without a compiler the project does without.

Nothing that goes wrong here may end an installation: what the library does is also done in Python, only slower.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

NATIVE: Final = Path("app", "native")
LIBRARY: Final = "_kernels.so"
COMPILERS: Final = ("cc", "gcc", "clang")
# No contraction: a multiplication and an addition in one would round otherwise than Python does.
OPTIONS: Final = ("-std=c11", "-O3", "-shared", "-fPIC", "-fno-math-errno", "-ffp-contract=off")
DEADLINE_S: Final = 120


class CompileNative(BuildHookInterface[BuilderConfig]):
    """Puts the library beside its source, and into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the hook's signature
        """Compile; called before the files are collected."""
        folder = Path(self.root) / NATIVE
        refusal = compile_library(folder)
        if refusal:
            self.app.display_warning(f"{NATIVE} was not compiled, the general ways serve: {refusal}")
            return
        build_data["artifacts"].append(str(NATIVE / LIBRARY))
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{next(iter(platform_tags()))}"


def compile_library(folder: Path) -> str | None:
    """Compile what is in the folder; return why there is no library, None where there is one."""
    if sys.platform == "win32":
        return "no compiler is looked for on Windows"
    named = os.environ.get("CC")
    compiler = next(filter(None, map(shutil.which, [named] if named else COMPILERS)), None)
    if compiler is None:
        return "there is no C compiler"
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = Path(scratch) / LIBRARY
        command = [compiler, *OPTIONS, "-o", str(made), str(folder / "kernels.c")]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=DEADLINE_S)  # noqa: S603
        except (OSError, subprocess.SubprocessError) as error:
            return type(error).__name__
        made.replace(folder / LIBRARY)  # at once: a process that runs keeps the file it has open
    return None
