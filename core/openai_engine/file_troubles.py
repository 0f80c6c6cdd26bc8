"""What OpenAI says of attached files that it cannot read, or has no more.

Which words it has for that is not documented, and other servers have their own. What is taken for a
trouble with files costs a question its files at most; what is not, costs it its answer. So words
that nobody has met are taken for one, once: the question is asked without its files then.
"""

import re
from collections.abc import Sequence

from core.errors import ConversationGone, FilesRefused

#: Codes of errors, of requests and of runs, that are about files in the input.
CODES = frozenset(
    {"invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url"}
    | {"image_too_large", "image_too_small", "image_parse_error", "invalid_image_mode"}
    | {"image_content_policy_violation", "image_file_too_large", "unsupported_image_media_type"}
    | {"empty_image_file", "failed_to_download_image", "image_file_not_found"}
    | {"invalid_file", "unsupported_file", "file_not_found", "file_expired", "file_too_large"}
)
_FILE = re.compile(
    r"\b(files?|images?|pdfs?|documents?|input_file|input_image|image_url|file_id|file_data"
    r"|multi-?modal)\b",
    re.IGNORECASE,
)
_SEARCH = re.compile(r"vector.store|file_search", re.IGNORECASE)  # the documentation's files
_ID = re.compile(r"\b(?:file|assistant)-[A-Za-z0-9_-]{6,100}")
_GONE = re.compile(r"not found|does not exist|no such|expired|deleted", re.IGNORECASE)
_NOT_READ = re.compile(
    r"support|invalid|could not|cannot|unable|failed to|too (large|big|small|many)|exceed|corrupt"
    r"|limit|encrypted|password|empty|unknown (?:content )?(?:part )?type|not a multi-?modal",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(r"too (large|big|many)|exceed|limit", re.IGNORECASE)
_OTHER = re.compile(  # what a refusal names that is no file: a policy, or a parameter of ours
    r"policy|policies|flagged|residency|content_filter"
    r"|['\"`](?:background|conversation|include|instructions|metadata|model|reasoning"
    r"|safety_identifier|store|stream|text|tools?|truncation)\b",
    re.IGNORECASE,
)
_MISSING_CODES = ("image_file_not_found", "file_not_found", "file_expired")


def trouble(
    code: object, said: str, files: Sequence[str], *, in_conversation: bool
) -> FilesRefused | ConversationGone | None:
    """Say what a refused request means for its `files`, or for those in the conversation.

    `files` are the uploads that it names; those in its conversation are of earlier questions.
    Returns None where it was refused for something else.
    """
    if not _is_about_files(code, said):
        return None
    is_gone = code in _MISSING_CODES or _GONE.search(said) is not None
    if ours := [file for file in files if file in said]:
        return FilesRefused(ours, gone=is_gone)
    if files and not _ID.search(said):
        return FilesRefused(gone=is_gone)
    is_sure = is_gone or code in CODES or _ID.search(said) or _TOO_LARGE.search(said)
    if not in_conversation or not is_sure:
        return None
    return ConversationGone("A file in the conversation can no longer be read.")


def uploads_named(code: object, said: str) -> tuple[str, ...] | None:
    """Say which uploads a run failed for; () where it does not say which, None: for none."""
    return tuple(dict.fromkeys(_ID.findall(said))) if _is_about_files(code, said) else None


def may_be_about_files(code: object, said: str, param: object = None) -> bool:
    """Whether a refusal may be about files, in words that nobody has met: it names nothing else."""
    if isinstance(param, str) and param and not param.startswith("input"):
        return False
    return _OTHER.search(f"{code} {said}") is None


def _is_about_files(code: object, said: str) -> bool:
    if code in CODES:
        return True
    is_named = _FILE.search(said) is not None or _ID.search(said) is not None
    if not is_named or _SEARCH.search(said):
        return False
    return _GONE.search(said) is not None or _NOT_READ.search(said) is not None
