"""The questions that Slack's agent view suggests, as the settings say them."""

from core.setting_reader import Reader
from core.settings import DEFAULT_PROMPTS

MOST_PROMPTS = 4  # that Slack shows
LONGEST_PROMPT = 200  # characters


def read_prompts(reader: Reader) -> tuple[str, ...]:
    """Read SUGGESTED_PROMPTS, one a line; what is wrong with it goes to the reader's problems.

    () where none are to be suggested.
    """
    text = reader.text("SUGGESTED_PROMPTS")
    if not text:
        return DEFAULT_PROMPTS
    if text.lower() == "off":
        return ()
    lines = (" ".join(line.split()) for line in text.splitlines())
    prompts = tuple(dict.fromkeys(line for line in lines if line))
    if len(prompts) > MOST_PROMPTS:
        reader.problem(
            f"SUGGESTED_PROMPTS has {len(prompts)} questions, and Slack takes {MOST_PROMPTS}: "
            "keep those that matter most, one a line."
        )
    if any(len(prompt) > LONGEST_PROMPT for prompt in prompts):
        reader.problem(
            f"SUGGESTED_PROMPTS has a line of more than {LONGEST_PROMPT} characters: shorten it."
        )
    return prompts
