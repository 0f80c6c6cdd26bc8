"""Words that somebody may have meant who mistyped one. Pure."""

from collections.abc import Collection

SHORTEST = 5  # letters: shorter words are one slip away from too many others
ENDING = 5  # letters: about what a stem leaves off
LEAST_HALF = 3  # letters
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def one_slip_away(word: str) -> Collection[str]:
    """What becomes the word by one slip: a letter too many, too few, wrong, or two swapped.

    The first letter is taken to be right. Nothing for words that are short or not plain letters.
    """
    if len(word) < SHORTEST or not (word.isascii() and word.isalpha()):
        return ()
    return _slips(word, 1)


def slips_near_the_end(word: str) -> Collection[str]:
    """What becomes the word by one slip in its last letters, where a slip hides its stem."""
    if len(word) < SHORTEST or not (word.isascii() and word.isalpha()):
        return ()
    return _slips(word, max(len(word) - ENDING, 1))


def halves_of(word: str) -> list[tuple[str, str]]:
    """The two words that a word may be made of: "datacenter"."""
    if not (word.isascii() and word.isalpha()):
        return []
    return [(word[:at], word[at:]) for at in range(LEAST_HALF, len(word) - LEAST_HALF + 1)]


def _slips(word: str, first: int) -> Collection[str]:
    """What becomes the word by one slip from the letter number `first` on."""
    halves = [(word[:at], word[at:]) for at in range(first, len(word) + 1)]
    dropped = {left + right[1:] for left, right in halves}
    swapped = {left + right[1] + right[0] + right[2:] for left, right in halves if len(right) > 1}
    replaced = {left + letter + right[1:] for left, right in halves for letter in _LETTERS}
    added = {left + letter + right for left, right in halves for letter in _LETTERS}
    return (dropped | swapped | replaced | added) - {word}
