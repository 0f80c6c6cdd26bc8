"""`.env` is read as it is written, or refused with the line, which is not quoted."""

from pathlib import Path

import pytest

from core.config import load_settings, load_variable
from core.env_file import read_env_file
from core.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    file = folder / ".env"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ('ALLOW_CHANNELS="slack:C0123456\n', [1]),
        ("PORT=1\nADMINS='slack:U0123456\n", [2]),
        ("# a comment\n\n\ns3cret is here\nPORT=1\n", [4]),
        ("PORT=1\ns3cret\n", [2]),  # a token that was pasted without its name
        ('A="s3cret" more\n\nB=2\nC="s3cret\n', [1, 4]),
    ],
)
def test_a_line_that_cannot_be_read_is_refused_by_its_number_and_not_quoted(
    tmp_path: Path, text: str, numbers: list[int]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(written(tmp_path, text))
    starts = [problem.partition(":")[0] for problem in caught.value.problems]
    assert starts == [f"{tmp_path / '.env'}, line {number} cannot be read" for number in numbers]
    assert "s3cret" not in str(caught.value)
    assert "C0123456" not in str(caught.value)


def test_a_variable_that_is_no_setting_is_not_read_past_such_a_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 1 cannot be read"):
        load_variable("HELPER_TOKEN", written(tmp_path, "foo bar\nHELPER_TOKEN=x\n"))


def test_values_are_what_stands_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER", "other")
    text = "A=p${OTHER}$w\nB='in #help'\nC=in#help\nD=1 # a comment\n\n# one more\nexport E=\n"
    assert read_env_file(written(tmp_path, text)) == {
        "A": "p${OTHER}$w",
        "B": "in #help",
        "C": "in#help",
        "D": "1",
        "E": "",
    }


def test_a_file_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / ".env") == {}


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (PermissionError(13, "Permission denied"), "Permission denied): let the user"),
        (OSError(5, "Input/output error"), "Input/output error): see that it is a file"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), "UTF-8 text): save it as UTF-8 text"),
    ],
)
def test_the_remedy_is_that_of_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, remedy: str
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise error

    file = written(tmp_path, "PORT=1\n")
    monkeypatch.setattr(Path, "read_text", refuse)  # root may read everything
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    assert remedy in str(caught.value)


# --- slips ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DOCS_SOURCE", "DOCS_SOURCES"),
        ("docs_sources", "DOCS_SOURCES"),
        ("DISCORD_BOT_TOKEN", "DISCORD_TOKEN"),
        ("OPENAI_KEY", "OPENAI_API_KEY"),
    ],
)
def test_a_name_that_is_nearly_a_setting_is_told(tmp_path: Path, name: str, meant: str) -> None:
    settings = load_settings(written(tmp_path, f"{name}=s3cret\n"))
    assert settings.slips == (f"{name} in .env is no setting: did you mean {meant}?",)


@pytest.mark.parametrize(
    "text",
    [
        "POSTGRES_PASSWORD=x\nHELPER_TOKEN=x\nACME_URL=x\n",  # for other programs
        "OPENAI_API_KEY_2=x\nOPENAI_API_KEY=x\n",  # what it is close to is set
        "DOCS_SOURCE=\n",
    ],
)
def test_other_names_are_let_be(tmp_path: Path, text: str) -> None:
    assert load_settings(written(tmp_path, text)).slips == ()


def test_names_in_the_environment_are_let_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCS_SOURCE", "x")
    assert load_settings(tmp_path / ".env").slips == ()


def test_a_slip_is_told_with_what_is_wrong_because_of_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(written(tmp_path, "SLACK_APP_TOKEN=xapp-1\nSLACK_TOKEN=xoxb-1\n"))
    missing, slip = caught.value.problems
    assert "SLACK_BOT_TOKEN is missing" in missing
    assert slip.endswith("did you mean SLACK_BOT_TOKEN?")
