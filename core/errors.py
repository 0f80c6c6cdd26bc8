"""Every error that Docent raises on purpose.

    DocentError
    ├── ConfigError            settings that are missing or wrong, all of them at once
    ├── StoreError             the database cannot be used
    │   ├── StoreTooNew        it was written by a newer Docent
    │   ├── StoreBehind        it needs `docent migrate`
    │   └── StoreInUse         another `docent run` works on this SQLite file
    ├── NotOurs                another process has the thread: leave it alone
    ├── CasesUnreadable        a file of questions for an evaluation, with what is wrong in it
    ├── EngineError
    │   ├── EngineBusy         asked too often; try again after `retry_after`
    │   ├── EngineUnreachable  no usable reply: whether the request took effect is not known
    │   ├── EngineRefused      asking again will not help
    │   ├── FilesRefused       it cannot read files of the question; ask without them
    │   ├── ConversationLocked another run holds the conversation; wait
    │   ├── ConversationGone   the engine cannot use the conversation any more; rebuild it
    │   └── ConversationTooLong  it does not fit the model any more; rebuild a shorter one
    ├── PlatformError
    │   ├── PlatformBusy       asked too often; try again after `retry_after`
    │   ├── PlatformUnreachable  no usable reply: whether the message was posted is not known
    │   ├── PlatformRefused    asking again will not help; `hint` says what would
    │   │   ├── TokenRefused   the bot is let in nowhere, until an operator mends it
    │   │   └── DraftStopped   the asker stopped it by the platform's own means
    │   ├── FileUnreadable     an attached file cannot be read; its message says why
    │   └── ThreadGone         the thread or its channel was deleted or closed to the bot
    │       └── MessageGone    only the message is gone
    └── DocumentsError
        ├── SourceUnreachable  a source could not be listed; its pages stay as they are
        ├── PageUnreadable     one page could not be read
        │   ├── PageGone       its source says that it is no longer there
        │   └── PageEmpty      it holds nothing that could be indexed
        ├── IndexRefused       an index did not take a document
        ├── NoSources          there is nothing to refresh from
        ├── UnknownSource      no source of DOCS_SOURCES has that name
        ├── RefreshBusy        a refresh is under way already; `under_way` says whose and how far
        ├── WebhookRefused     a request to refresh is not signed as it has to be
        └── NotAdmin           the person may not refresh

Messages are for people: they say what to do, and hold no secret and no text that somebody wrote.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from core.documents import RefreshUnderWay


class DocentError(Exception):
    """The root of the tree. The docstring of a class is its default message."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").splitlines()[0])


class ConfigError(DocentError):
    """The settings are not usable."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"- {problem}" for problem in self.problems))


class StoreError(DocentError):
    """The database cannot be used."""


class StoreTooNew(StoreError):
    """The database was written by a newer Docent: run that version, or use another database."""


class StoreBehind(StoreError):
    """The database is older than this Docent: run `docent migrate`, then start again."""


class StoreInUse(StoreError):
    """Another `docent run` works on this SQLite file: stop it, or use Postgres for several."""


class NotOurs(DocentError):
    """Another process has the thread."""


class CasesUnreadable(DocentError):
    """The questions cannot be read."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(["the questions cannot be read.", *self.problems]))


class EngineError(DocentError):
    """The engine could not do what it was asked."""


class EngineBusy(EngineError):
    """The engine asks for a pause."""

    def __init__(self, retry_after: float | None = None) -> None:
        self.retry_after = retry_after  #: seconds, where the engine named them
        super().__init__()


class EngineUnreachable(EngineError):
    """The engine gave no usable reply; whether the request took effect is not known."""


class EngineRefused(EngineError):
    """The engine refused the request, and will again."""

    def __init__(self, message: str, reason: str = "refused") -> None:
        self.reason = reason  #: short code for logs
        super().__init__(message)


class FilesRefused(EngineError):
    """The engine cannot read files of the question; it was not asked."""

    def __init__(self, uploads: Sequence[str] = (), *, gone: bool = False) -> None:
        self.uploads = tuple(uploads)  #: which; () where it cannot be told
        self.gone = gone  #: the engine has them no more: they may be uploaded again
        super().__init__()


class ConversationLocked(EngineError):
    """Another run holds the conversation."""


class ConversationGone(EngineError):
    """The engine no longer has the conversation, or can no longer use it."""


class ConversationTooLong(EngineError):
    """The conversation does not fit the model any more."""


class PlatformError(DocentError):
    """The platform could not do what it was asked."""


class PlatformBusy(PlatformError):
    """The platform asks for a pause."""

    def __init__(self, retry_after: float | None = None) -> None:
        self.retry_after = retry_after  #: seconds, where the platform named them
        super().__init__()


class PlatformUnreachable(PlatformError):
    """The platform gave no usable reply; whether the message was posted is not known."""


class PlatformRefused(PlatformError):
    """The platform refused the request, and will again."""

    def __init__(self, message: str, hint: str = "") -> None:
        self.hint = hint  #: what a person can do about it
        super().__init__(f"{message} {hint}".strip())


class TokenRefused(PlatformRefused):
    """The platform no longer lets the bot in."""


class DraftStopped(PlatformRefused):
    """The asker stopped the answer while it was being written."""


class ThreadGone(PlatformError):
    """The thread is gone, or closed to the bot."""


class FileUnreadable(PlatformError):
    """An attached file cannot be read; says why, for its owner to read."""


class MessageGone(ThreadGone):
    """The message is gone."""


class DocumentsError(DocentError):
    """The documents could not be brought in line."""


class SourceUnreachable(DocumentsError):
    """The source could not be listed; its pages stay as they are."""


class PageUnreadable(DocumentsError):
    """The page could not be read."""


class PageGone(PageUnreadable):
    """The page is no longer there, although its source lists it."""


class PageEmpty(PageUnreadable):
    """The page has no text."""


class IndexRefused(DocumentsError):
    """The index did not take the document."""


class NoSources(DocumentsError):
    """There is no documentation to read: set DOCS_SOURCES."""


class UnknownSource(DocumentsError):
    """DOCS_SOURCES has no source of that name."""


class RefreshBusy(DocumentsError):
    """A refresh is under way already; wait until it has ended."""

    def __init__(self, under_way: RefreshUnderWay | None = None) -> None:
        self.under_way = under_way  #: None where nothing is known of it
        super().__init__(_in_words(under_way) if under_way else None)


def _in_words(refresh: RefreshUnderWay) -> str:
    began = datetime.fromtimestamp(refresh.since, UTC)
    text = f"A refresh is under way already, started {began:%H:%M} UTC by {refresh.by}"
    if (at := refresh.progress) is not None:
        text += f", {at.phase}: {at.done} of {at.total}" if at.total else f", {at.phase}"
    return f"{text}; wait until it has ended."


class WebhookRefused(DocumentsError):
    """The request is not signed with DOCS_WEBHOOK_SECRET."""


class NotAdmin(DocumentsError):
    """Only admins may refresh the documentation."""
