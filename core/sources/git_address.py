"""How a git repository is written in DOCS_SOURCES.

git+https://[TOKEN@]host/repo.git[@branch][#folder][=https://docs.example.com/]
"""

import base64
import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from yarl import URL

from core.errors import ConfigError

_FORM = re.compile(r"git\+(?P<repository>.+?)(?:=(?P<base>https?://.*))?", re.IGNORECASE)
_BRANCH = re.compile(r"[\w][\w./+-]*")
_LOGIN = re.compile(r"//[^/\s]*@")
_HOW = "Write git+https://host/repo.git@branch#folder=https://docs.example.com/."


@dataclass(frozen=True, kw_only=True, slots=True)
class GitAddress:
    """A branch and folder of a repository."""

    name: str  #: as written, without the login
    url: str  #: without the login
    login: str | None = field(repr=False)  #: the header that proves who we are
    branch: str | None  #: None: the repository's default
    folder: str  #: "" for all of it
    base: str | None

    @property
    def protocol(self) -> str:
        """What git may use to get it."""
        return self.url.partition("://")[0]

    @property
    def shown_at(self) -> str | None:
        """Where the host of the repository shows the folder's files; None for one on this disk."""
        if self.protocol == "file":
            return None
        where = f"{self.url.rstrip('/').removesuffix('.git')}/blob/{self.branch or 'HEAD'}/"
        return where + quote(f"{self.folder}/" if self.folder else "")


def without_login(text: str) -> str:
    """Take the login out of an address, for names, logs and errors."""
    return _LOGIN.sub("//", text)


def is_git(target: str) -> bool:
    """Whether an entry names a repository."""
    return target.lower().startswith("git+")


def parse_git_address(text: str, *, allow_private: bool) -> GitAddress:
    """Take the address of a repository apart. Raises ConfigError with the mending."""
    form = _FORM.fullmatch(text)
    repository, base = (form["repository"], form["base"]) if form else ("", None)
    repository, _, folder = repository.partition("#")
    scheme = repository.partition("://")[0].lower()
    if scheme not in {"https", "http", "file"}:
        raise _refused(without_login(text), f"git can only be read by https here. {_HOW}")
    if scheme == "file":
        url, login = _url_and_branch(repository), None
    else:
        url, login = _web(repository, allow_private)
    address, branch = url
    if branch is not None and (not _BRANCH.fullmatch(branch) or ".." in branch):
        raise _refused(without_login(text), f"{branch!r} is no name of a branch. {_HOW}")
    folder = "/".join(part for part in folder.split("/") if part not in {"", "."})
    if ".." in folder.split("/") or "\n" in folder:
        raise _refused(without_login(text), "the folder has to be inside of the repository.")
    if scheme == "file" and base is None:
        raise _refused(text, f"answers could not link to its pages: add =https://…. {_HOW}")
    return GitAddress(
        name=without_login(text),
        url=address,
        login=login,
        branch=branch,
        folder=folder,
        base=None if base is None else f"{base.rstrip('/')}/",
    )


def _url_and_branch(repository: str) -> tuple[str, str | None]:
    """Split at the `@` of the path; that of a login stands before the path."""
    scheme, _, rest = repository.partition("://")
    host, slash, path = rest.partition("/")
    path, at, branch = path.rpartition("@") if "@" in path else (path, "", "")
    return f"{scheme.lower()}://{host}{slash}{path}", branch if at else None


def _web(repository: str, allow_private: bool) -> tuple[tuple[str, str | None], str | None]:
    address, branch = _url_and_branch(repository)
    try:
        url = URL(address)
        user, password, host, port = url.raw_user, url.raw_password, url.host, url.explicit_port
    except ValueError:
        host = None
    if not host or len(url.path) < 2:
        # Not repeated: a login that is written wrongly cannot be told from the rest.
        raise ConfigError([f"DOCS_SOURCES: the address of a git repository is incomplete. {_HOW}"])
    clean = str(URL.build(scheme=url.scheme, host=host, port=port, path=url.raw_path, encoded=True))
    if user is None and password is None:
        return (clean, branch), None
    if url.scheme == "http" and not allow_private:
        raise _refused(clean, "its login would cross the internet in the open: write git+https://.")
    return (clean, branch), _login(user, password)


def _login(user: str | None, password: str | None) -> str:
    # A token alone: hosts take it as the password of any user.
    named, secret = (user, password) if password else ("x-access-token", user)
    pair = f"{unquote(named or 'x-access-token')}:{unquote(secret or '')}"
    return f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}"


def _refused(shown: str, problem: str) -> ConfigError:
    return ConfigError([f"DOCS_SOURCES: {shown}: {problem}"])
