"""From which hosts files are read, and what is said of those that are too large."""

import pytest
from yarl import URL

from bots.download import Hosts, too_large
from bots.slack_bot.files import hosts as slack_hosts

LOOPBACK = URL("http://127.0.0.1:8080/api")


@pytest.mark.parametrize(
    "url",
    [
        "https://files.slack.com/files-pri/T1-F1/a.png",
        "https://FILES.SLACK.COM/files-pri/T1-F1/a.png",
        "https://acme.slack.com/files-pri/T1-F1/a.png",
        "https://acme.enterprise.slack.com/files/a.png",
        "https://slack-files.com/T1-F1-abc",
    ],
)
def test_a_file_may_be_read_from_a_host_of_slack(url: str) -> None:
    assert slack_hosts(None).have(URL(url))


@pytest.mark.parametrize(
    "url",
    [
        "http://files.slack.com/a.png",  # the token would go over the wire
        "https://files.slack.com:8443/a.png",
        "https://somebody@files.slack.com/a.png",
        "https://files.slack.com.example.com/a.png",
        "https://evilslack.com/a.png",
        "https://files.slack.com@example.com/a.png",
        "https://files.slack.com./a.png",
        "https://example.com/https://files.slack.com/a.png",
        "https://127.0.0.1/a.png",
        "https://docs.google.com/document/d/1",
        "ftp://files.slack.com/a.png",
        "/files-pri/T1-F1/a.png",
        "",
    ],
)
def test_and_from_no_other_host(url: str) -> None:
    assert not slack_hosts(None).have(URL(url))


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.1:8080/files-pri/a.png", True),
        ("http://127.0.0.1:8081/files-pri/a.png", False),  # another server of the same machine
        ("https://127.0.0.1:8080/files-pri/a.png", False),
        ("https://cdn.example.com/a.png", True),
        ("https://cdn.example.com/a.png?ex=1", True),
        ("https://sub.cdn.example.com/a.png", False),
    ],
)
def test_a_server_in_the_platforms_place_has_its_files_at_its_own_address(
    url: str, allowed: bool
) -> None:
    hosts = Hosts(names=frozenset({"cdn.example.com"}), own=LOOPBACK)
    assert hosts.have(URL(url)) is allowed


def test_hosts_within_that_of_a_server_of_ones_own_are_its_own_too() -> None:
    hosts = Hosts(names=frozenset(), own=URL("https://slack-gov.com/api/"))
    assert hosts.have(URL("https://files.slack-gov.com/a.png"))
    assert not hosts.have(URL("http://files.slack-gov.com/a.png"))
    assert not hosts.have(URL("https://files.slack.com/a.png"))


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (20_000_000, "it is larger than 20 MB"),
        (1_500_000, "it is larger than 1.5 MB"),
        (200_000, "it is larger than 200 kB"),
        (10, "it is larger than 10 bytes"),
    ],
)
def test_the_limit_is_named_in_units_that_people_read(limit: int, said: str) -> None:
    assert str(too_large(limit)) == said
