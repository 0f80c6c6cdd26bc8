"""Steps of the schema, from the first to the ninth; see `migration_steps.py`."""

from sqlalchemy.ext.asyncio import AsyncConnection

from core.store.migration_steps import Migration, execute

STEPS: list[Migration] = []

M001 = (
    "CREATE TABLE schema_version (version INTEGER NOT NULL)",
    "INSERT INTO schema_version (version) VALUES (0)",
    "CREATE TABLE kept_values (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE threads (
        id {identity},
        platform TEXT NOT NULL,
        tenant TEXT NOT NULL,
        key TEXT NOT NULL,
        engine TEXT,
        conversation TEXT,
        created_at DOUBLE PRECISION NOT NULL,
        UNIQUE (platform, tenant, key))""",
    """CREATE TABLE turns (
        id {identity},
        thread_id BIGINT NOT NULL REFERENCES threads (id),
        platform TEXT NOT NULL,
        tenant TEXT NOT NULL,
        channel TEXT NOT NULL,
        message TEXT NOT NULL,
        author TEXT NOT NULL,
        question TEXT NOT NULL,
        unread JSON NOT NULL,
        state TEXT NOT NULL,
        asked_at DOUBLE PRECISION NOT NULL,
        started_at DOUBLE PRECISION,
        attempt INTEGER NOT NULL,
        run TEXT,
        outcome TEXT,
        answer TEXT,
        citations JSON,
        finished_at DOUBLE PRECISION,
        UNIQUE (platform, tenant, channel, message))""",
    # The open turns are few however many there were: looking for them must not grow.
    """CREATE INDEX turns_open ON turns (thread_id, id)
        WHERE state IN ('queued', 'running', 'answered', 'failed')""",
    "CREATE INDEX turns_of_thread ON turns (thread_id, id)",
    """CREATE TABLE parts (
        turn_id BIGINT NOT NULL REFERENCES turns (id),
        part INTEGER NOT NULL,
        text TEXT NOT NULL,
        message TEXT,
        PRIMARY KEY (turn_id, part))""",
    """CREATE TABLE pages (
        id {identity},
        source TEXT NOT NULL,
        url TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        markdown TEXT NOT NULL,
        hash TEXT NOT NULL,
        stamp TEXT,
        fetched_at DOUBLE PRECISION NOT NULL)""",
    """CREATE TABLE documents (
        id {identity},
        index_name TEXT NOT NULL,
        url TEXT NOT NULL,
        title TEXT NOT NULL,
        hash TEXT NOT NULL,
        ref TEXT NOT NULL,
        UNIQUE (index_name, ref))""",
    "CREATE INDEX documents_by_url ON documents (index_name, url)",
)


@STEPS.append
async def m001_threads_turns_documents(connection: AsyncConnection, sqlite: bool) -> None:
    """Make the tables of the first version."""
    await execute(connection, sqlite, *M001)


M002 = (
    """CREATE TABLE passages (
        id {identity},
        ref TEXT NOT NULL,
        position INTEGER NOT NULL,
        url TEXT NOT NULL,
        title TEXT NOT NULL,
        headings JSON NOT NULL,
        text TEXT NOT NULL,
        title_words TEXT NOT NULL,
        heading_words TEXT NOT NULL,
        text_words TEXT NOT NULL)""",
    "CREATE INDEX passages_by_ref ON passages (ref)",
    "CREATE TABLE vocabulary (word TEXT PRIMARY KEY, passages INTEGER NOT NULL)",
)


@STEPS.append
async def m002_passages(connection: AsyncConnection, sqlite: bool) -> None:
    """Make the table of the local index, and its full-text index in the database's own kind."""
    await execute(connection, sqlite, *M002)
    if sqlite:
        # The words come split and stemmed; `ascii` keeps every letter beyond ASCII as it is.
        await execute(
            connection,
            sqlite,
            "CREATE VIRTUAL TABLE passage_words USING fts5 "
            "(title_words, heading_words, text_words, "
            "content = 'passages', content_rowid = 'id', tokenize = 'ascii')",
        )
    else:
        await execute(
            connection,
            sqlite,
            "CREATE TABLE passage_words "
            "(rowid BIGINT PRIMARY KEY REFERENCES passages (id) ON DELETE CASCADE, "
            "words TSVECTOR NOT NULL)",
            "CREATE INDEX passage_words_gin ON passage_words USING gin (words)",
        )


M003 = (
    # Who works on a thread: one of `processes`, or nobody where it is none of them (any more).
    "CREATE TABLE processes (id TEXT PRIMARY KEY, works_for TEXT NOT NULL, "
    "seen_at DOUBLE PRECISION NOT NULL)",
    "ALTER TABLE threads ADD COLUMN holder TEXT",
    "CREATE INDEX threads_of_holder ON threads (holder) WHERE holder IS NOT NULL",
    # The turn whose run and reply are also this one's.
    "ALTER TABLE turns ADD COLUMN leader BIGINT REFERENCES turns (id)",
    # Grows whenever somebody edits what is asked: a run for an older revision does not count.
    "ALTER TABLE turns ADD COLUMN revision INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX turns_of_leader ON turns (leader) WHERE leader IS NOT NULL",
    "CREATE TABLE abandoned_runs (run TEXT PRIMARY KEY, engine TEXT NOT NULL, "
    "abandoned_at DOUBLE PRECISION NOT NULL)",
    "DROP INDEX turns_open",
    """CREATE INDEX turns_open ON turns (thread_id, id)
        WHERE state IN ('queued', 'running', 'answered', 'failed', 'withdrawn')""",
    "CREATE INDEX turns_of_author ON turns (platform, tenant, author, asked_at)",
    "CREATE INDEX turns_of_channel ON turns (platform, tenant, channel, asked_at)",
)


@STEPS.append
async def m003_processes(connection: AsyncConnection, sqlite: bool) -> None:
    """Let several processes share the work; answer messages together; remember runs to cancel."""
    await execute(connection, sqlite, *M003)


M004 = (
    # What an engine keeps and nothing of ours refers to any more, until the engine has deleted it.
    """CREATE TABLE erasures (
        id {identity},
        engine TEXT NOT NULL,
        conversation TEXT,
        runs JSON NOT NULL)""",
)


@STEPS.append
async def m004_erasures(connection: AsyncConnection, sqlite: bool) -> None:
    """Remember what the engines are to delete."""
    await execute(connection, sqlite, *M004)


M005 = (
    # Where an index kept a copy: one that moved or was lost is filled anew, and its rest removed.
    "ALTER TABLE documents ADD COLUMN place TEXT NOT NULL DEFAULT ''",
    """UPDATE documents SET place = COALESCE(
        (SELECT value FROM kept_values WHERE name = 'openai_vector_store'), '')
        WHERE index_name = 'openai'""",
)


@STEPS.append
async def m005_places(connection: AsyncConnection, sqlite: bool) -> None:
    """Remember where the indexes keep the copies of pages."""
    await execute(connection, sqlite, *M005)


M006 = (
    # Of titles and headings alone: what has a common word in its text is too much to look through.
    "CREATE INDEX passage_words_named ON passage_words USING gin (ts_filter(words, '{a,b}')) "
    "WITH (fastupdate = off)",
    # Else every search after a refresh reads a list of what is yet to be put in order.
    "ALTER INDEX passage_words_gin SET (fastupdate = off)",
    "SELECT gin_clean_pending_list('passage_words_gin')",
)


@STEPS.append
async def m006_named(connection: AsyncConnection, sqlite: bool) -> None:
    """Find passages by their titles and headings on Postgres; FTS5 can by itself."""
    if not sqlite:
        await execute(connection, sqlite, *M006)


M007 = (
    # Messages that were deleted before anybody heard what they asked.
    """CREATE TABLE withdrawals (
        platform TEXT NOT NULL,
        tenant TEXT NOT NULL,
        channel TEXT NOT NULL,
        message TEXT NOT NULL,
        withdrawn_at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (platform, tenant, channel, message))""",
)


@STEPS.append
async def m007_withdrawals(connection: AsyncConnection, sqlite: bool) -> None:
    """Remember deletions that come before their question."""
    await execute(connection, sqlite, *M007)


M008 = (
    # What people think of a reply: one verdict of each person.
    """CREATE TABLE feedback (
        turn_id BIGINT NOT NULL REFERENCES turns (id),
        person TEXT NOT NULL,
        verdict TEXT NOT NULL,
        reason TEXT NOT NULL,
        at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (turn_id, person))""",
    # Threads that people were called to, once each, and how far that is.
    """CREATE TABLE calls (
        thread_id BIGINT NOT NULL PRIMARY KEY REFERENCES threads (id),
        turn_id BIGINT NOT NULL REFERENCES turns (id),
        person TEXT NOT NULL,
        called_at DOUBLE PRECISION NOT NULL,
        tried_at DOUBLE PRECISION,
        tagged TEXT,
        ended_at DOUBLE PRECISION)""",
    "CREATE INDEX calls_open ON calls (called_at) WHERE ended_at IS NULL",
)


@STEPS.append
async def m008_acting(connection: AsyncConnection, sqlite: bool) -> None:
    """Remember what people think of replies, and where they asked for people."""
    await execute(connection, sqlite, *M008)


M009 = (
    # A message may be there before its text is final: `message` no longer says that it is.
    "ALTER TABLE parts ADD COLUMN posted INTEGER NOT NULL DEFAULT 0",
    "UPDATE parts SET posted = 1 WHERE message IS NOT NULL",
)


@STEPS.append
async def m009_drafts(connection: AsyncConnection, sqlite: bool) -> None:
    """Remember the messages of replies that are being written."""
    await execute(connection, sqlite, *M009)
