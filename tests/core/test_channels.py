"""What holds in single channels: how it is read, what is wrong with it, and how it is read anew."""

import logging
from pathlib import Path

import pytest

from core.channels import ALERT, ChannelPolicy, Channels, ChannelsInForce, parse_channels
from core.domain import Guide, ThreadRef
from core.errors import ConfigError
from core.settings import Settings

SITE = "https://docs.example.com/"
SOURCES = {"./handbook": "./handbook", "handbook": "./handbook", SITE: SITE}
ROOT = Path(__file__).parents[2]


def parsed(text: str) -> Channels:
    return parse_channels(text, "docent.toml", SOURCES)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    return list(caught.value.problems)


def thread(channel: str = "C1", tenant: str = "T1") -> ThreadRef:
    return ThreadRef(platform="slack", tenant=tenant, key=f"{channel}:1.0")


def in_force(path: Path, *, required: bool = True, **settings: object) -> ChannelsInForce:
    given = {"channels_file": str(path), "channels_required": required, **settings}
    return ChannelsInForce(
        Settings(**given),  # type: ignore[arg-type]
        SOURCES,
        lambda thread: thread.key.partition(":")[0],
    )


# --- what it says ---------------------------------------------------------------------------------


def test_all_that_can_be_said_of_a_channel_is_read() -> None:
    channels = parsed("""
        [channels."slack:C1"]
        instructions = '''
        Be formal.
        '''
        sources = ["handbook", "https://docs.example.com/"]
        language = "German"
        humans = ["slack:S1", "slack:U2"]
        team_channel = "slack:C9"
        follow_ups = "mention"
        streaming = false
    """)
    assert channels.of("slack", "C1") == ChannelPolicy(
        instructions="Be formal.",
        sources=("./handbook", SITE),
        language="German",
        humans=("slack:S1", "slack:U2"),
        team_channel="slack:C9",
        follow_ups="mention",
        streaming=False,
    )


def test_a_channel_goes_before_its_guild_and_that_before_the_defaults() -> None:
    channels = parsed("""
        [defaults]
        language = "English"
        instructions = "For all."
        sources = ["handbook"]
        streaming = false
        [guilds."discord:7"]
        language = "French"
        instructions = "For the guild."
        [channels."discord:1"]
        language = "German"
        sources = []
        streaming = true
    """)
    here = channels.of("discord", "1", "7")
    assert here.guide == Guide(language="German", instructions="For the guild.")
    assert here.streaming is True
    there = channels.of("discord", "2", "7")
    assert there.guide == Guide(
        language="French", instructions="For the guild.", sources=("./handbook",)
    )
    assert channels.of("slack", "1", "7").language == "English"


def test_whether_any_place_has_sources_of_its_own_is_known() -> None:
    assert not parsed('[defaults]\nsources = []\nlanguage = "German"').has_sources
    assert parsed('[channels."slack:C1"]\nsources = ["handbook"]').has_sources


def test_an_empty_file_says_nothing() -> None:
    assert parsed("# nothing yet\n") == Channels()


def test_the_example_in_the_repository_and_that_of_the_manual_can_be_read() -> None:
    example = (ROOT / "docent.example.toml").read_text(encoding="utf-8")
    manual = (ROOT / "docs" / "channels.md").read_text(encoding="utf-8")
    sources = {name: name for name in ("./handbook", "https://docs.example.com/", "./public")}
    channels = parse_channels(example, "docent.example.toml", sources)
    assert channels.channels
    assert channels.guilds
    shown = manual.partition("```toml\n")[2].partition("```")[0]
    assert parse_channels(shown, "channels.md", sources) == channels


# --- what is wrong with it ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[defaults", "is not TOML"),
        ("[defaults]\nlanguage = German", "line 2"),
        ("[default]", "[default], which means nothing"),
        ("defaults = 3", "[defaults] as a value"),
        ('channels = "slack:C1"', "channels as a value"),
        ('[channels."#general"]', "an id, not a name"),
        ('[channels."slack:U1"]', "slack:C0123456 or discord:123456789"),
        ("[channels.slack.C1]", '[channels."slack"] names no place'),
        ("[channels]\n'slack:C1' = 5", "as a value"),
        ('[guilds."discord:here"]', "discord:123456789"),
        ("[defaults]\ninstruction = 'x'", "did you mean instructions?"),
        ("[defaults]\nzzz = 'x'", "the keys are instructions, sources"),
        ("[defaults]\ninstructions = 5", "instructions is of the wrong kind: write text in quotes"),
        ("[defaults]\ninstructions = '" + "x" * 8_001 + "'", "longer than 8,000 characters"),
        ("[defaults]\nsources = 'handbook'", 'write ["https://docs.example.com/"]'),
        ("[defaults]\nsources = [1]", "something else than text"),
        ("[defaults]\nsources = ['wiki']", "There are: ./handbook, handbook, https://docs"),
        ("[defaults]\nlanguage = '''German\nof course'''", "several lines"),
        ("[defaults]\nhumans = ['@alice']", "slack:S0123456 (a user group)"),
        ("[channels.'slack:C1']\nhumans = ['discord:5']", "who is not on slack"),
        ("[defaults]\nteam_channel = '#team'", "not its name"),
        ("[defaults]\nfollow_ups = 'never'", 'write "thread" or "mention"'),
        ("[defaults]\nstreaming = 'no'", "write true or false"),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_how_to_mend_it(text: str, said: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith("docent.toml")
    assert said in problem


def test_a_wrong_place_hides_nothing_else_that_is_wrong_in_its_table() -> None:
    found = problems("[guilds.'discord:here']\nfollow_ups = 'never'\nzzz = 1")
    assert [" names no place" in one for one in found] == [True, False, False]
    assert "zzz" in found[1]
    assert 'write "thread" or "mention"' in found[2]


def test_all_problems_are_reported_at_once() -> None:
    found = problems("""
        [defaults]
        streaming = "no"
        sources = ["wiki"]
        [channels."slack:C1"]
        humans = ["nobody", "discord:5"]
        [chanels."slack:C2"]
    """)
    assert len(found) == 5


def test_a_name_that_is_given_in_the_settings_must_lead_to_a_file(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    with pytest.raises(ConfigError, match=r"CHANNELS_FILE.*none\.toml"):
        in_force(missing)
    assert in_force(missing, required=False).current == Channels()
    with pytest.raises(ConfigError, match="correct the path"):
        in_force(tmp_path, required=False)  # a folder is no missing file


def test_a_file_that_is_no_text_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "docent.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"\(it is not UTF-8 text\): save it as UTF-8 text\."):
        in_force(path)


# --- in force -------------------------------------------------------------------------------------


def test_what_the_file_does_not_say_the_settings_do(tmp_path: Path) -> None:
    path = tmp_path / "docent.toml"
    path.write_text('[channels."slack:C1"]\nfollow_ups = "thread"\n')
    channels = in_force(path, follow_ups="mention", streaming=False)
    assert channels.follow_ups_for(thread("C1")) == "thread"
    assert channels.follow_ups_for(thread("C2")) == "mention"
    assert channels.policy_of(thread("C2")).streaming is False


def test_people_are_those_of_the_threads_platform(tmp_path: Path) -> None:
    path = tmp_path / "docent.toml"
    path.write_text('[defaults]\nhumans = ["slack:S1", "discord:&5", "slack:U2"]\n')
    assert in_force(path).people_for(thread()) == ("S1", "U2")


class Troubles:
    def __init__(self) -> None:
        self.heard: list[tuple[str, str | None]] = []

    def report(self, key: str, trouble: str | None) -> None:
        self.heard.append((key, trouble))


def test_a_file_is_read_again_when_it_is_asked_for(tmp_path: Path) -> None:
    path, troubles = tmp_path / "docent.toml", Troubles()
    channels = in_force(path, required=False)
    policy_of = channels.policy_of  # what others were handed stays good
    assert policy_of(thread()).language is None
    path.write_text('[defaults]\nlanguage = "German"\n')
    assert channels.reload(troubles.report)
    assert policy_of(thread()).language == "German"
    path.unlink()
    assert channels.reload(troubles.report)
    assert policy_of(thread()).language is None
    assert troubles.heard == [(ALERT, None)] * 2


@pytest.mark.parametrize("broken", ["[defaults", '[defaults]\nlanguage = 5\nsources = ["wiki"]\n'])
def test_a_broken_file_changes_nothing_and_is_told_of(
    tmp_path: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, troubles = tmp_path / "docent.toml", Troubles()
    path.write_text('[defaults]\nlanguage = "German"\n')
    channels = in_force(path)
    path.write_text(broken)
    with caplog.at_level(logging.ERROR):
        assert not channels.reload(troubles.report)
    assert channels.policy_of(thread()).language == "German"
    ((key, told),) = troubles.heard
    assert key == ALERT
    assert told is not None
    assert "what was read before still holds" in told
    assert "docent.toml" in caplog.text
