"""What a line at the prompt means."""

from dataclasses import dataclass

USER = "operator"  #: who asks: whoever sits at the machine


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
class Attach:
    """Attach a file to the next question."""

    path: str  #: as it was typed


@dataclass(frozen=True, kw_only=True, slots=True)
class Confirm:
    """Let what was proposed be done, or not."""

    done: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Quit:
    """End the talk."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Help:
    """Say which commands there are."""


Line = Ask | NewThread | Refresh | Attach | Confirm | Quit | Help

HELP = (
    "/attach FILE adds a file to the next question, /new begins another thread, /refresh-docs "
    "reads the documentation again, /quit ends."
)


def read_line(line: str) -> Line:
    """Tell a command from a question."""
    command, _, rest = line.strip().partition(" ")
    if command.lower() == "/attach":
        return Attach(path=rest.strip())
    match line.strip().lower():
        case "/new":
            return NewThread()
        case "/refresh-docs":
            return Refresh()
        case "/confirm":
            return Confirm(done=True)
        case "/cancel":
            return Confirm(done=False)
        case "/quit" | "/exit":
            return Quit()
        case command if command.startswith("/"):
            return Help()
        case _:
            return Ask(text=line.strip())
