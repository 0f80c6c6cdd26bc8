"""Steps of the schema, from the tenth on; see `migration_steps.py`."""

from sqlalchemy.ext.asyncio import AsyncConnection

from core.store.migration_steps import Migration, execute

STEPS: list[Migration] = []

M010 = (
    # When somebody last called us in a thread, and since when and why we are to keep out of it.
    "ALTER TABLE threads ADD COLUMN called_at DOUBLE PRECISION",
    "ALTER TABLE threads ADD COLUMN quiet_since DOUBLE PRECISION",
    "ALTER TABLE threads ADD COLUMN quiet_why TEXT",
    # Questions of bots since the last one of a person: two bots could go on for ever.
    "ALTER TABLE threads ADD COLUMN bots_in_a_row INTEGER NOT NULL DEFAULT 0",
)


@STEPS.append
async def m010_manners(connection: AsyncConnection, sqlite: bool) -> None:
    """Remember in which threads to keep quiet."""
    await execute(connection, sqlite, *M010)


M011 = (
    # A copy may say from which source its page comes; those of before do not.
    "ALTER TABLE documents ADD COLUMN source TEXT NOT NULL DEFAULT ''",
)


@STEPS.append
async def m011_labels(connection: AsyncConnection, sqlite: bool) -> None:
    """Remember which source a copy says that its page comes from."""
    await execute(connection, sqlite, *M011)


M012 = (
    # When somebody asked for people because of the reply; the call itself is one for each thread.
    "ALTER TABLE turns ADD COLUMN handed_over_at DOUBLE PRECISION",
    """UPDATE turns SET handed_over_at = (SELECT called_at FROM calls WHERE turn_id = turns.id)
        WHERE id IN (SELECT turn_id FROM calls)""",
    "CREATE INDEX turns_handed_over ON turns (handed_over_at) WHERE handed_over_at IS NOT NULL",
)


@STEPS.append
async def m012_handed_over(connection: AsyncConnection, sqlite: bool) -> None:
    """Remember each question that was handed over to people."""
    await execute(connection, sqlite, *M012)


M013 = (
    # Answers that one person saw and others are to see, once each, and how far that is.
    """CREATE TABLE shares (
        turn_id BIGINT NOT NULL PRIMARY KEY REFERENCES turns (id),
        shared_at DOUBLE PRECISION NOT NULL,
        tried_at DOUBLE PRECISION,
        ended_at DOUBLE PRECISION)""",
    "CREATE INDEX shares_open ON shares (shared_at) WHERE ended_at IS NULL",
    # What a platform wants to see with a private reply: secrets, for some minutes each.
    """CREATE TABLE reply_tokens (
        platform TEXT NOT NULL,
        tenant TEXT NOT NULL,
        channel TEXT NOT NULL,
        message TEXT NOT NULL,
        person TEXT NOT NULL,
        token TEXT NOT NULL,
        expires_at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (platform, tenant, channel, message))""",
)


@STEPS.append
async def m013_private(connection: AsyncConnection, sqlite: bool) -> None:
    """Remember what private replies need, and which of them are to be shared."""
    await execute(connection, sqlite, *M013)


M014 = (
    # How often tools were called in the present attempt; the turn whose calls a turn confirms; and
    # how many files are attached to the message.
    "ALTER TABLE turns ADD COLUMN round INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE turns ADD COLUMN confirms BIGINT REFERENCES turns (id)",
    "ALTER TABLE turns ADD COLUMN files INTEGER NOT NULL DEFAULT 0",
    # Calls of tools, and how far each is: what was begun and not ended is not simply made again.
    """CREATE TABLE tool_calls (
        id {identity},
        turn_id BIGINT NOT NULL REFERENCES turns (id),
        revision INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        round INTEGER NOT NULL,
        call TEXT NOT NULL,
        name TEXT NOT NULL,
        arguments TEXT NOT NULL,
        server TEXT NOT NULL,
        run TEXT,
        state TEXT NOT NULL,
        output TEXT,
        confirmed_by BIGINT REFERENCES turns (id),
        changed_at DOUBLE PRECISION NOT NULL,
        UNIQUE (turn_id, revision, attempt, round, call))""",
    # Files that are attached to questions, and what the engine has of them.
    """CREATE TABLE attachments (
        turn_id BIGINT NOT NULL REFERENCES turns (id),
        position INTEGER NOT NULL,
        name TEXT NOT NULL,
        size BIGINT NOT NULL,
        media_type TEXT NOT NULL,
        ref TEXT NOT NULL,
        channel TEXT NOT NULL,
        message TEXT NOT NULL,
        kind TEXT,
        problem TEXT,
        engine TEXT,
        upload TEXT,
        uploaded_at DOUBLE PRECISION,
        PRIMARY KEY (turn_id, position))""",
    "CREATE INDEX attachments_uploaded ON attachments (uploaded_at) WHERE upload IS NOT NULL",
    "ALTER TABLE erasures ADD COLUMN uploads JSON NOT NULL DEFAULT '[]'",
)


@STEPS.append
async def m014_tools_and_files(connection: AsyncConnection, sqlite: bool) -> None:
    """Remember calls of tools, and attached files."""
    await execute(connection, sqlite, *M014)
