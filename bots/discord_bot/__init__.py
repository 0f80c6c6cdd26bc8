"""Discord: mentions in over the gateway, replies out by REST.

    account     the login, made once when it is needed first
    adapter     DiscordPlatform, what the composition root uses
    attached    the files of a message -> what core hears of them, pure
    checkup     what `docent doctor` finds out
    commands    /ask and /refresh-docs
    connection  logging in, REST calls that end; discord.py's internals
    errors      discord.py's exceptions as ours
    events      a message -> Mention, pure; the form of a thread's key
    files       reading attached files, from Discord's hosts alone
    gateway     the sessions, one for each shard; discord.py's internals
    hints       what people are told where the bot cannot answer
    intake      what comes in, written down before anything else
    manifest    the invite URL, with the permissions in use
    missed      what was asked while nothing was heard, found in the history
    places      the channel a reply goes to; opens threads
    render      Reply -> the parts that are posted, pure

QUIRKS.md lists the traps of the platform and where each is dealt with.
"""
