"""Text that every database takes."""


def storable(text: str) -> str:
    """Without NUL, which Postgres refuses, and with "?" for halves of characters.

    Both come in JSON that people or models write: as `\\u0000`, and as a surrogate without its
    other half, which no encoding has.
    """
    return text.replace("\0", "").encode(errors="replace").decode()
