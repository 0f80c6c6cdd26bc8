"""What README, the manual and `.env.example` say is held to what the code does."""

import re
from pathlib import Path

import pytest
from dotenv import dotenv_values

from bots.cli import COMMANDS
from core.config import parse_settings
from core.settings import SETTINGS, Settings

ROOT = Path(__file__).parents[1]
NAMES = [setting.name for setting in SETTINGS]


def table_of(document: Path) -> dict[str, str]:
    """Name and default of each row of a settings table: | `NAME` | default | about |."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", document.read_text(), flags=re.MULTILINE)
    return {name: default.strip().strip("`") for name, default in rows}


@pytest.mark.parametrize("document", ["README.md", "docs/settings.md"])
def test_every_setting_is_in_the_table_with_its_default(document: str) -> None:
    table = table_of(ROOT / document)
    assert sorted(table) == sorted(NAMES)
    assert table == {setting.name: setting.default for setting in SETTINGS}


def test_the_example_env_file_names_every_setting_and_changes_nothing() -> None:
    example = dotenv_values(ROOT / ".env.example")
    assert sorted(example) == sorted(NAMES)
    assert parse_settings(example) == Settings()


@pytest.mark.parametrize("document", ["README.md", "docs/commands.md"])
def test_every_command_is_described(document: str) -> None:
    text = (ROOT / document).read_text()
    for command in COMMANDS:
        assert f"docent {command}" in text, command


def documents() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", document.read_text()):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_is_named_exists(document: Path) -> None:
    for name in re.findall(
        r"`((?:core|bots|tests|docs|deploy)/[\w/.]+\.\w+)`", document.read_text()
    ):
        assert (ROOT / name).exists(), name


def test_the_architecture_fits_its_150_lines_and_names_every_package() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert len(text.splitlines()) <= 150
    packages = [p.parent.relative_to(ROOT) for p in ROOT.glob("[bc]o*/*/__init__.py")]
    assert packages
    for package in packages:
        assert f"{package}/" in text, package
