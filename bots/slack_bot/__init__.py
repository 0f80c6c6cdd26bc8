"""Slack: mentions in by Socket Mode or HTTP, replies out by the Web API.

    adapter      SlackPlatform, what the composition root uses
    api          the calls to Slack's Web API that Docent makes
    attached     the files of a message -> what core hears of them, pure
    commands     /ask and /refresh-docs
    errors       the SDK's exceptions as ours
    events       an event's payload -> what core hears of it, pure
    files        reading attached files with the token, from Slack's hosts alone
    intake       the bolt app: which request goes where, written down before it is acknowledged
    manifest     the app's manifest, with the scopes and events in use
    missed       what was asked while no events reached us, found in the history of channels
    mrkdwn       Slack's text as it travels: read, and escape into it
    presence     whether events reach us, and what follows from it
    render       Reply -> the parts that are posted, pure
    socket_mode  requests over a websocket that we open
    http_mode    requests over HTTP that Slack opens

QUIRKS.md lists the traps of the platform and where each is dealt with.
"""
