"""What a line at the prompt means."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """A question, in the present thread."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NewThread:
    """Begin another thread."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refresh:
    """Refresh the documentation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quit:
    """End the talk."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Help:
    """Say which commands there are."""


Line = Ask | NewThread | Refresh | Quit | Help

HELP = "/new begins another thread, /refresh-docs reads the documentation again, /quit ends."


def read_line(line: str) -> Line:
    """Tell a command from a question."""
    match line.strip().lower():
        case "/new":
            return NewThread()
        case "/refresh-docs":
            return Refresh()
        case "/quit" | "/exit":
            return Quit()
        case command if command.startswith("/"):
            return Help()
        case _:
            return Ask(text=line.strip())
