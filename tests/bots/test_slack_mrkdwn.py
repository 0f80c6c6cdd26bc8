import pytest

from bots.slack_bot.mrkdwn import escape, mentions, plain, without_mention


@pytest.mark.parametrize(
    ("wire", "read"),
    [
        ("a &lt; b &amp;&amp; c &gt; d", "a < b && c > d"),
        ("&amp;lt; is how Slack writes &lt;", "&lt; is how Slack writes <"),
        ("&lt;@U1&gt;", "<@U1>"),
        ("<@U1> and <@U2|ann>", "@U1 and @U2"),
        ("<#C1|general> <#C2> <#C3|>", "#general #C2 #C3"),
        ("<!here> <!channel>", "@here @channel"),
        ("<!subteam^S1|@devs> <!subteam^S1>", "@devs @S1"),
        ("<!date^1392734382^{date}|Feb 18>", "Feb 18"),
        ("<https://a.example/?x=1&amp;y=2>", "https://a.example/?x=1&y=2"),
        ("<https://a.example|the &lt;guide&gt;>", "the <guide> (https://a.example)"),
        ("<http://a.example|a.example>", "http://a.example"),
        ("<mailto:a@b.example|a@b.example>", "a@b.example"),
        ("vector<int> and a<b", "vector<int> and a<b"),
        ("```x &lt; y```", "```x < y```"),
    ],
)
def test_text_is_read_as_it_was_written(wire: str, read: str) -> None:
    assert plain(wire) == read


@pytest.mark.parametrize("text", ["<!channel>", "<@U1>", "a & b", "&lt;", "<https://a.example|b>"])
def test_escaped_text_reads_back_as_itself_and_holds_no_token(text: str) -> None:
    assert plain(escape(text)) == text
    assert "<" not in escape(text)


@pytest.mark.parametrize(
    ("wire", "rest"),
    [
        ("<@U1> hello", "hello"),
        ("<@U1>: hello", "hello"),
        ("<@U1|docent>, hello", "hello"),
        ("what does <@U1> do?", "what does do?"),
        ("hello\n<@U1>", "hello"),
        ("<@U1>\n```\n  code\n```", "```\n  code\n```"),
        ("<@U11> hello", "<@U11> hello"),
    ],
)
def test_the_mention_of_the_bot_is_taken_out(wire: str, rest: str) -> None:
    assert without_mention(wire, "U1") == rest


def test_a_mention_of_somebody_whose_id_begins_alike_is_none() -> None:
    assert not mentions("<@U11>", "U1")
    assert mentions("<@U1|x>", "U1")
