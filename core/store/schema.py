"""The tables as the newest migration leaves them; a test holds the two together."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()
Id = BigInteger().with_variant(Integer(), "sqlite")  # only INTEGER counts up by itself in SQLite

threads = Table(
    "threads",
    metadata,
    Column("id", Id, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("engine", Text),
    Column("conversation", Text),
    Column("holder", Text),
    Column("created_at", Double, nullable=False),
    Column("called_at", Double),
    Column("quiet_since", Double),
    Column("quiet_why", Text),
    Column("bots_in_a_row", Integer, nullable=False, server_default="0"),
    UniqueConstraint("platform", "tenant", "key"),
)

turns = Table(
    "turns",
    metadata,
    Column("id", Id, primary_key=True),
    Column("thread_id", Id, ForeignKey("threads.id"), nullable=False),
    Column("platform", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("unread", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("asked_at", Double, nullable=False),
    Column("started_at", Double),
    Column("attempt", Integer, nullable=False),
    Column("run", Text),
    Column("outcome", Text),
    Column("answer", Text),
    Column("citations", JSON),
    Column("finished_at", Double),
    Column("leader", Id, ForeignKey("turns.id")),
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("handed_over_at", Double),
    Column("round", Integer, nullable=False, server_default="0"),
    Column("confirms", Id, ForeignKey("turns.id")),
    Column("files", Integer, nullable=False, server_default="0"),
    UniqueConstraint("platform", "tenant", "channel", "message"),
)

parts = Table(
    "parts",
    metadata,
    Column("turn_id", Id, ForeignKey("turns.id"), primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("text", Text, nullable=False),
    Column("message", Text),
    Column("posted", Integer, nullable=False, server_default="0"),
)

tool_calls = Table(
    "tool_calls",
    metadata,
    Column("id", Id, primary_key=True),
    Column("turn_id", Id, ForeignKey("turns.id"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("call", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("server", Text, nullable=False),
    Column("run", Text),
    Column("state", Text, nullable=False),
    Column("output", Text),
    Column("confirmed_by", Id, ForeignKey("turns.id")),
    Column("changed_at", Double, nullable=False),
    UniqueConstraint("turn_id", "revision", "attempt", "round", "call"),
)

attachments = Table(
    "attachments",
    metadata,
    Column("turn_id", Id, ForeignKey("turns.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("kind", Text),
    Column("problem", Text),
    Column("engine", Text),
    Column("upload", Text),
    Column("uploaded_at", Double),
)

feedback = Table(
    "feedback",
    metadata,
    Column("turn_id", Id, ForeignKey("turns.id"), primary_key=True),
    Column("person", Text, primary_key=True),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Double, nullable=False),
)

calls = Table(
    "calls",
    metadata,
    Column("thread_id", Id, ForeignKey("threads.id"), primary_key=True),
    Column("turn_id", Id, ForeignKey("turns.id"), nullable=False),
    Column("person", Text, nullable=False),
    Column("called_at", Double, nullable=False),
    Column("tried_at", Double),
    Column("tagged", Text),
    Column("ended_at", Double),
)

shares = Table(
    "shares",
    metadata,
    Column("turn_id", Id, ForeignKey("turns.id"), primary_key=True),
    Column("shared_at", Double, nullable=False),
    Column("tried_at", Double),
    Column("ended_at", Double),
)

reply_tokens = Table(
    "reply_tokens",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("tenant", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("message", Text, primary_key=True),
    Column("person", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
)

processes = Table(
    "processes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("works_for", Text, nullable=False),
    Column("seen_at", Double, nullable=False),
)

withdrawals = Table(
    "withdrawals",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("tenant", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("message", Text, primary_key=True),
    Column("withdrawn_at", Double, nullable=False),
)

abandoned_runs = Table(
    "abandoned_runs",
    metadata,
    Column("run", Text, primary_key=True),
    Column("engine", Text, nullable=False),
    Column("abandoned_at", Double, nullable=False),
)

erasures = Table(
    "erasures",
    metadata,
    Column("id", Id, primary_key=True),
    Column("engine", Text, nullable=False),
    Column("conversation", Text),
    Column("runs", JSON, nullable=False),
    Column("uploads", JSON, nullable=False, server_default="[]"),
)

pages = Table(
    "pages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", Text, nullable=False),
    Column("url", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("markdown", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("stamp", Text),
    Column("fetched_at", Double, nullable=False),
)

documents = Table(
    "documents",
    metadata,
    Column("id", Id, primary_key=True),
    Column("index_name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("place", Text, nullable=False, server_default=""),
    Column("source", Text, nullable=False, server_default=""),
    UniqueConstraint("index_name", "ref"),
)

passages = Table(
    "passages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("ref", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("url", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("headings", JSON, nullable=False),
    Column("text", Text, nullable=False),
    Column("title_words", Text, nullable=False),
    Column("heading_words", Text, nullable=False),
    Column("text_words", Text, nullable=False),
)

vocabulary = Table(
    "vocabulary",
    metadata,
    Column("word", Text, primary_key=True),
    Column("passages", Integer, nullable=False),
)

values = Table(
    "kept_values",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))
