"""The platforms that settings may name, and how their ids are written there: `platform:id`.

Patterns for whole entries. A third platform adds its name and an alternative to each line.
"""

PLATFORMS = ("slack", "discord")

USER = r"slack:[UW]\w+|discord:\d+"
ASKER = r"slack:[A-Z0-9]+|discord:[0-9]+|terminal:\w+"  # of whatever kind
PERSON = r"slack:[SUW]\w+|discord:&?\d+"  # to be called: a person, a user group, a role
BOT = r"slack:[BUW]\w+|discord:\d+"
ROLE = r"discord:\d+"
CHANNEL = r"slack:[CGD]\w+|discord:\d+"
SHARED_CHANNEL = r"slack:[CG]\w+|discord:\d+"  # not of direct messages
GUILD = r"slack:[TE]\w+|discord:\d+"
