"""The exact calls of both APIs for each kind of reply: the files in `golden_payloads`.

After a change that is meant, write the files anew and read the difference:

    PYTHONPATH=tests .venv/bin/python tests/bots/test_golden_payloads.py
"""

import asyncio
import json
from pathlib import Path

import pytest

from servers.golden_stage import CASES, Calls, discord_calls, slack_calls

GOLDEN = Path(__file__).parent / "golden_payloads"
PLATFORMS = {"discord": discord_calls, "slack": slack_calls}


def recorded(case: str, platform: str) -> Calls:
    """What the golden file says."""
    calls: Calls = json.loads((GOLDEN / f"{case}.{platform}.json").read_text(encoding="utf-8"))
    return calls


@pytest.mark.parametrize("platform", sorted(PLATFORMS))
@pytest.mark.parametrize("case", sorted(CASES))
async def test_what_is_sent_is_what_the_golden_file_says(case: str, platform: str) -> None:
    assert await PLATFORMS[platform](case) == recorded(case, platform)


def test_every_golden_file_has_its_case() -> None:
    expected = {f"{case}.{platform}.json" for case in CASES for platform in PLATFORMS}
    assert {path.name for path in GOLDEN.glob("*.json")} == expected


async def write_golden_files() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for case in CASES:
        for platform, calls in PLATFORMS.items():
            text = json.dumps(await calls(case), indent=2, ensure_ascii=False)
            (GOLDEN / f"{case}.{platform}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(write_golden_files())
