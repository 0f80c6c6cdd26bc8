"""What `deploy/` says is held to what there is: paths, commands, ports and Slack's manifest.

No container is built here: that takes Docker, and images from outside.
"""

import configparser
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bots import cli, webhook
from bots.slack_bot import http_mode, manifest
from core.settings import SETTINGS, SlackSettings

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def read_yaml(text: str) -> Any:
    """Read the part of YAML that the compose file keeps to: mappings, lists in blocks, scalars.

    Raises ValueError at anything else, as for an indentation that belongs to nothing.
    """
    lines = [
        (len(line) - len(line.lstrip()), re.sub(r"(^|\s)#.*$", "", line).strip())
        for line in text.splitlines()
    ]
    rest = [(depth, line) for depth, line in lines if line]
    found = _block(rest, 0)
    if rest:
        raise ValueError(f"{rest[0][1]!r} stands where it belongs to nothing")
    return found


def _block(rest: list[tuple[int, str]], depth: int) -> Any:
    if rest[0][1].startswith("- "):
        items = []
        while rest and rest[0][0] == depth and rest[0][1].startswith("- "):
            items.append(_scalar(rest.pop(0)[1][2:]))
        return items
    mapping: dict[str, Any] = {}
    while rest and rest[0][0] == depth:
        name, colon, value = rest.pop(0)[1].partition(":")
        if not colon or name in mapping or (value and not value.startswith(" ")):
            raise ValueError(f"{name!r} is no key, or there twice")
        nested = not value.strip() and rest and rest[0][0] > depth
        mapping[name] = _block(rest, rest[0][0]) if nested else _scalar(value.strip())
    return mapping


def _scalar(text: str) -> Any:
    return json.loads(text) if text[:1] in ('"', "[", "{") else text or None


COMPOSE: dict[str, Any] = read_yaml((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


def instructions(name: str) -> Iterator[list[str]]:
    """The words of each such instruction of the Dockerfile, without its options."""
    text = re.sub(r"\\\n", " ", DOCKERFILE)
    for line in re.findall(rf"^{name} +(.*)$", text, flags=re.MULTILINE):
        yield [word for word in shlex.split(line) if not word.startswith("--")]


def copied() -> list[str]:
    """What the Dockerfile takes from the checkout."""
    return [
        source
        for line in re.findall(r"^COPY +(?!--from)(.*)$", DOCKERFILE, flags=re.MULTILINE)
        for source in line.split()[:-1]
    ]


# --- the image ------------------------------------------------------------------------------------


def test_everything_that_the_image_is_made_of_exists_and_reaches_the_build() -> None:
    let_in = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in let_in
    assert {"core", "bots", "pyproject.toml", "requirements.txt"} <= set(copied())
    for path in copied():
        assert (ROOT / path).exists(), path
        assert f"!{path}" in let_in, path


def test_no_secret_and_no_database_can_get_into_the_image() -> None:
    let_in = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for path in (".", "./", ".env", "data", "docent.toml", ".git"):
        assert path not in copied()
        assert f"!{path}" not in let_in


def test_the_packages_are_those_of_the_lock() -> None:
    installs = re.findall(r"^RUN .*pip install.*$", DOCKERFILE, re.MULTILINE)
    assert len(installs) == 2
    (locked,) = [line for line in installs if "--require-hashes -r requirements.txt" in line]
    (own,) = [line for line in installs if line != locked]
    assert "--no-deps --no-build-isolation" in own  # hatchling is in the lock
    assert re.search(r"^hatchling==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)


def test_the_image_runs_a_command_of_docent_as_a_user_without_rights() -> None:
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", DOCKERFILE, flags=re.MULTILINE)
    (command,) = re.findall(r"^CMD (.*)$", DOCKERFILE, flags=re.MULTILINE)
    assert json.loads(entry) == ["docent"]
    assert json.loads(command)[0] in cli.COMMANDS
    ((user,),) = instructions("USER")
    assert user not in ("root", "0")
    assert DOCKERFILE.rindex("\nUSER ") > DOCKERFILE.rindex("\nFROM ")


def test_the_image_has_git_for_sources_and_keeps_the_database_in_a_volume() -> None:
    assert re.search(r"apt-get install .*\bgit\b", DOCKERFILE)
    (url,) = {setting.default for setting in SETTINGS if setting.name == "DATABASE_URL"}
    folder = Path(url.removeprefix("sqlite:///")).parent
    *_, (place,) = instructions("WORKDIR")
    assert [[f"{place}/{folder}"]] == list(instructions("VOLUME"))


def test_the_port_is_the_one_that_is_listened_to() -> None:
    (port,) = {setting.default for setting in SETTINGS if setting.name == "PORT"}
    assert [[port]] == list(instructions("EXPOSE"))
    assert SlackSettings.__dataclass_fields__["port"].default in (int(port), None)
    assert webhook.HEALTH_PATH == http_mode.HEALTH_PATH
    compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    assert f"127.0.0.1:{port}{http_mode.HEALTH_PATH}" in compose


# --- the compose file -----------------------------------------------------------------------------


def test_each_service_runs_a_command_of_docent_or_an_image_as_it_comes() -> None:
    services = COMPOSE["services"]
    assert set(services) == {"docent", "migrate", "postgres"}
    assert services["docent"]["command"] == ["run"]
    for name in ("docent", "migrate"):
        assert services[name]["image"] == "docent"
        assert services[name]["command"][0] in cli.COMMANDS
    assert "command" not in services["postgres"]


def test_the_paths_of_the_compose_file_lead_to_the_checkout() -> None:
    for name in ("docent", "migrate"):
        service = COMPOSE["services"][name]
        assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
        assert (ROOT / service["build"]["dockerfile"]).exists()
        assert (DEPLOY / service["env_file"]).resolve() == ROOT / ".env"
    used = [one for name in ("docent", "postgres") for one in COMPOSE["services"][name]["volumes"]]
    assert {volume.partition(":")[0] for volume in used} == set(COMPOSE["volumes"])
    assert "data:/srv/docent/data" in used


def test_only_the_profile_brings_a_postgres_and_nobody_waits_for_it_without() -> None:
    services = COMPOSE["services"]
    assert "profiles" not in services["docent"]
    assert services["migrate"]["profiles"] == services["postgres"]["profiles"] == ["postgres"]
    assert services["docent"]["depends_on"]["migrate"] == {
        "condition": "service_completed_successfully",
        "required": "false",
    }
    assert services["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    assert "healthcheck" in services["postgres"]


def test_a_container_is_given_the_time_that_docent_takes_to_end() -> None:
    assert int(COMPOSE["services"]["docent"]["stop_grace_period"].removesuffix("s")) > 20


def test_what_the_compose_file_sets_are_settings() -> None:
    names = {setting.name for setting in SETTINGS}
    assert set(COMPOSE["services"]["docent"]["environment"]) <= names


@pytest.mark.parametrize(
    "wrong", ["a: 1\n   b: 2", "a: 1\na: 2", "no key", "a:\n  b: 1\n c: 2", "- a\nb: 1"]
)
def test_what_is_no_yaml_of_the_kind_in_use_is_refused(wrong: str) -> None:
    with pytest.raises((ValueError, LookupError)):
        read_yaml(wrong)


# --- the rest -------------------------------------------------------------------------------------


def test_the_slack_manifest_is_what_docent_prints() -> None:
    written = (DEPLOY / "slack-manifest.json").read_text(encoding="utf-8")
    assert written == manifest.manifest() + "\n", (
        "run: .venv/bin/docent manifest slack >deploy/slack-manifest.json"
    )


def test_the_service_runs_commands_of_docent_from_the_checkout() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "docent.service", encoding="utf-8")
    service = unit["Service"]
    place = service["WorkingDirectory"]
    for key, command in (("ExecStart", "run"), ("ExecStartPre", "migrate")):
        assert service[key] == f"{place}/.venv/bin/docent {command}"
        assert command in cli.COMMANDS
    assert service["ReadWritePaths"] == f"{place}/data"
    assert int(service["RestartPreventExitStatus"]) == cli.EXIT_CONFIG
    assert int(service["TimeoutStopSec"]) > 20


def test_nothing_to_deploy_names_the_host_of_a_registry() -> None:
    for file in DEPLOY.iterdir():
        for line in file.read_text(encoding="utf-8").splitlines():
            for image in re.findall(r"(?:FROM|image:) +(\S+)", line):
                assert "." not in image.partition("/")[0].partition(":")[0], line
            assert not re.search(r"index-url|trusted-host|registry", line), line
