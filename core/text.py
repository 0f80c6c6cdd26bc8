"""Text that every database takes, and that fits."""


def storable(text: str) -> str:
    """Without NUL, which Postgres refuses, and with "?" for halves of characters.

    Both come in JSON that people or models write: as `\\u0000`, and as a surrogate without its
    other half, which no encoding has.
    """
    return text.replace("\0", "").encode(errors="replace").decode()


def shortened(text: str, longest: int) -> str:
    """The text where it has no more than `longest` characters, else its beginning and "…"."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
