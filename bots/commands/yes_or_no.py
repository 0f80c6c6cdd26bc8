"""Asking somebody at the terminal whether to go on."""

import signal


def agrees(question: str) -> bool:
    """Ask, and wait for the answer, which is no unless it is yes.

    Ctrl-D is no. Raises KeyboardInterrupt at the first Ctrl-C, also in an event loop, which would
    only hear of it after the answer.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False
    finally:
        signal.signal(signal.SIGINT, before)
