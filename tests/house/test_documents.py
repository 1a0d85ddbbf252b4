"""What the documents say is what the project does."""

import importlib.util
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.core.config import Settings
from app.ml.manifest import parse_manifest

PROJECT_DIR = Path(__file__).resolve().parents[2]
README = (PROJECT_DIR / "README.md").read_text(encoding="utf-8")
README_RU = (PROJECT_DIR / "README.ru.md").read_text(encoding="utf-8")
ENV_EXAMPLE = (PROJECT_DIR / ".env.example").read_text(encoding="utf-8")
DOCUMENTS = sorted(
    path
    for path in PROJECT_DIR.rglob("*.md")
    if not {".venv", ".git", "node_modules", ".pytest_cache"} & set(path.relative_to(PROJECT_DIR).parts)
)


def settings_in_code() -> dict[str, str]:
    """Name and default of every setting, as they are written in the documents; empty when there is none."""
    return {name.upper(): _written(field.default) for name, field in Settings.model_fields.items()}


def _written(default: object) -> str:
    if default is None or default == ():
        return ""
    return default.get_secret_value() if isinstance(default, SecretStr) else str(default)


def settings_in_table(document: str) -> dict[str, str]:
    table = document.split("<!-- settings -->")[1].split("\n\n")[1]
    rows = re.findall(r"^\| `([A-Z_0-9]+)` \| (?:`([^`]*)`)? ?\|", table, flags=re.MULTILINE)
    return dict(rows)


def commands(document: str) -> list[str]:
    """Lines of the shell blocks, without their comments."""
    blocks = re.findall(r"```bash\n(.*?)```", document, flags=re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


class TestSettings:
    def test_the_readme_lists_every_setting_with_its_default(self) -> None:
        assert settings_in_table(README) == settings_in_code()

    def test_the_russian_readme_lists_them_too(self) -> None:
        assert settings_in_table(README_RU) == settings_in_code()

    def test_the_example_file_holds_every_setting_with_its_default(self) -> None:
        assert dict(re.findall(r"^# ?([A-Z_0-9]+)=(.*)$", ENV_EXAMPLE, flags=re.MULTILINE)) == settings_in_code()


class TestReadme:
    def test_both_languages_show_the_same_commands(self) -> None:
        assert commands(README_RU) == commands(README)

    def test_every_command_runs_something_that_exists(self) -> None:
        for module in re.findall(r"python -m ([a-z_]+\.[a-z_.]+)", "\n".join(commands(README))):
            assert importlib.util.find_spec(module), module
        for script in re.findall(r"python ([a-z_/]+\.py)", "\n".join(commands(README))):
            assert (PROJECT_DIR / script).is_file(), script

    @pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT_DIR)))
    def test_links_lead_somewhere(self, document: Path) -> None:
        targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
        missing = [
            target
            for target in targets
            if not target.startswith(("http://", "https://", "mailto:")) and not (document.parent / target).exists()
        ]
        assert missing == []

    @pytest.mark.parametrize("document", [README, README_RU], ids=["en", "ru"])
    def test_the_models_figures_are_those_of_its_manifest(self, document: str) -> None:
        manifest = parse_manifest((PROJECT_DIR / "app" / "ml_artifacts" / "model.json").read_bytes())
        assert manifest.metrics is not None
        written = re.search(r"^\| AUC \|(.*)\*\*(.*)\*\*", document, flags=re.MULTILINE)
        assert written is not None
        assert [float(value) for value in re.findall(r"[\d.]+", written[0])] == [
            round(figure.value, 3)
            for figure in (*(one.auc for one in manifest.metrics.classes.values()), manifest.metrics.macro_auc)
        ]

    @pytest.mark.parametrize("document", [README, README_RU], ids=["en", "ru"])
    def test_says_that_it_is_not_a_medical_device(self, document: str) -> None:
        assert re.search(r"not a medical device|не медицинское изделие", document, flags=re.IGNORECASE)
