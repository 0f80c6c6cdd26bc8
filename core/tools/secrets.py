"""Keys that a team's tools need, from where the settings stand."""

from core.config import load_variable
from core.errors import DocentError
from core.setting_reader import VARIABLE


class SecretMissing(DocentError):
    """A tool needs a key that is not there; says which, and what to do."""


def secret(name: str) -> str:
    """Return what a variable says, of the environment or, where that is silent, of `.env`.

    Called where the file of TOOLS is loaded, at its top level, a start fails without it. The value
    is in no log and no error of Docent's. Raises SecretMissing, and ConfigError where `.env`
    cannot be read.
    """
    if not VARIABLE.fullmatch(name):
        raise SecretMissing(
            "calls secret() with what is no name: write the name of a variable in capitals, such "
            "as ORDERS_KEY, never the secret itself"
        )
    value = load_variable(name)
    if value is None:
        raise SecretMissing(f"needs {name}, which is not set: set it in the environment or in .env")
    return value
