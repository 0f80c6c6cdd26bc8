"""What `docent doctor` finds out about Slack."""

from collections.abc import Sequence

from bots.slack_bot.api import SlackApi
from bots.slack_bot.errors import translated
from bots.slack_bot.manifest import SCOPES
from core.errors import PlatformRefused, ThreadGone
from core.settings import SlackSettings


async def check(settings: SlackSettings) -> str:
    """Try both tokens and the scopes, and say who Slack takes us for. Raises PlatformError."""
    api = SlackApi(settings)
    try:
        bot = await api.identify()
        _check_scopes(await api.scopes())
        if settings.app_token:
            await api.socket_url(settings.app_token)
            return f"bot {bot.user} in workspace {bot.team}, by Socket Mode"
        return f"bot {bot.user} in workspace {bot.team}, over HTTP on port {settings.port}"
    finally:
        await api.close()


async def check_channel(settings: SlackSettings, channel: str) -> str:
    """Look whether the bot may post in a channel, without doing so. Raises PlatformError."""
    api = SlackApi(settings)
    try:
        found = await api.channel(channel)
    except ThreadGone:
        raise PlatformRefused(
            f"Slack shows the bot no channel {channel}.",
            "Correct the id; into a private channel, write /invite @Docent there.",
        ) from None
    finally:
        await api.close()
    if found.get("is_archived"):
        raise PlatformRefused(f"The channel {channel} is archived.", "Name another one.")
    if not (found.get("is_member") or found.get("is_im")):
        raise PlatformRefused(
            f"The bot is not in the channel {channel}.", "Write /invite @Docent there."
        )
    return f"the bot is in {channel}"


async def check_people(settings: SlackSettings, people: Sequence[str]) -> str:
    """Look whether there are these people and, where the app may see them, user groups (S…).

    Raises PlatformError with all that is wrong with them.
    """
    groups = [one for one in people if one.startswith("S")]
    api = SlackApi(settings)
    try:
        problems = [
            problem
            for one in people
            if one not in groups and (problem := await _wrong_person(api, one))
        ]
        found = await _groups(api) if groups else {}
    finally:
        await api.close()
    if found is not None:
        problems += [
            f"there is no user group {one}" if one not in found else f"{one} is disabled"
            for one in groups
            if not found.get(one)
        ]
    if problems:
        raise PlatformRefused(
            f"Slack: {'; '.join(problems)}.", "Correct HUMANS, or humans in docent.toml."
        )
    return f"{len(people)} on Slack{_unseen(len(groups)) if found is None else ''}"


def _unseen(groups: int) -> str:
    what = "1 user group is" if groups == 1 else f"{groups} user groups are"
    return f" ({what} not looked at, which needs the scope usergroups:read)"


async def _wrong_person(api: SlackApi, user: str) -> str | None:
    try:
        with translated():
            reply = await api.client.users_info(user=user)
            gone = bool(reply["user"].get("deleted"))
    except ThreadGone:
        return f"there is nobody with the id {user}"
    return f"{user} is deactivated" if gone else None


async def _groups(api: SlackApi) -> dict[str, bool] | None:
    """Which user groups there are, and whether they are in use; None: it is not told.

    That needs a scope (usergroups:read) that nothing else does, so the manifest goes without.
    """
    if "usergroups:read" not in (await api.scopes() or ()):
        return None
    with translated():
        reply = await api.client.usergroups_list(include_disabled=True)
        return {str(one["id"]): not one.get("date_delete") for one in reply["usergroups"]}


def _check_scopes(granted: frozenset[str] | None) -> None:
    """Compare what the app was installed with to what it needs, where Slack says so."""
    lacking = {scope: use for scope, use in SCOPES.items() if scope not in (granted or SCOPES)}
    if lacking:
        named = "; ".join(f"{scope} ({use})" for scope, use in sorted(lacking.items()))
        raise PlatformRefused(
            f"The Slack app lacks scopes: {named}.",
            "Add them on its page OAuth & Permissions and install it again; "
            "`docent manifest slack` prints all that it needs.",
        )
