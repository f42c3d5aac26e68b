"""reticent.toml -> Site: what the library wrote, checked. Every message names file and line.

Settings are described in docs/reference/reticent-toml.md; a test fails if one is missing there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable
from datetime import date, time, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from reticent.errors import ConfigurationError
from reticent.model import RecordClass
from reticent.tomlfile import TomlFile, check, load, nearest

SEARCHED = (Path("reticent.toml"), Path("/etc/reticent/reticent.toml"))
MOST_CLOSED = 30
"""Closed days a library may list for a year."""
EXTRA_RETENTION = ("last_borrower", "refund_window")
_UNITS = {"hour": 1 / 24, "day": 1, "week": 7, "month": 30, "year": 365}
_DURATION = re.compile(r"^(\d+) (hour|day|week|month|year)s?$")
_SIZE = re.compile(r"^(\d+) (MB|GB)$")


def duration(text: str) -> timedelta:
    """Read "7 days" (hours, days, weeks, months of 30 days, years of 365). Raises ValueError."""
    found = _DURATION.match(text)
    if found is None:
        raise ValueError(f'"{text}" is not a length of time; write for example "7 days"')
    return timedelta(days=int(found[1]) * _UNITS[found[2]])


def _duration(value: object) -> object:
    return duration(value) if isinstance(value, str) else value


def _size(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _SIZE.match(value)
    if found is None:
        raise ValueError(f'"{value}" is not a size; write for example "2 GB"')
    return int(found[1]) * (10**6 if found[2] == "MB" else 10**9)


def _window(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        start, end = (time.fromisoformat(part.strip()) for part in value.split("-"))
    except ValueError:
        raise ValueError(f'"{value}" is not a time window; write for example "22:00-06:00"') from None
    return (start, end)


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Size = Annotated[int, BeforeValidator(_size)]
Window = Annotated[tuple[time, time], BeforeValidator(_window)]


class Strict(BaseModel):
    """Frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _form(pattern: str, words: str) -> AfterValidator:
    """Check a text, and say in words what it should look like: a pattern tells a librarian nothing."""

    def checked(text: str) -> str:
        if not re.match(pattern, text):
            raise ValueError(words)
        return text

    return AfterValidator(checked)


Jurisdiction = Annotated[str, _form(r"([A-Z]{2}(-[A-Z0-9]{1,3})?)?\Z", "write a state as in US-WI")]
SignKey = Annotated[
    str,
    _form(
        r"(ssh-ed25519|ecdsa-sha2-nistp256|sk-ssh-ed25519@openssh\.com) \S+",
        "write the public line of an SSH key: ssh-ed25519, ecdsa-sha2-nistp256 or sk-ssh-ed25519@openssh.com",
    ),
]
Tenant = Annotated[str, _form(r"([a-z][a-z0-9_]*)?\Z", "write small letters, digits and _, a letter first")]
Bundle = Annotated[str, _form(r"[a-z0-9_]{0,30}\Z", "write at most 30 small letters, digits and _")]
Name = Annotated[str, _form(r"[a-z0-9_]{1,30}\Z", "a system's name is 1 to 30 small letters, digits and _")]
Scheduler = Annotated[str, _form(r"((tcp|tls)://[^/\s]+)?\Z", "write an address as in tcp://host:8786")]


class Library(Strict):
    """Who the library is, and in a shared system whose rows are its own."""

    name: str = Field(min_length=1)
    jurisdiction: Jurisdiction = ""
    branches: tuple[str, ...] | Literal["all"] = ()
    closed: tuple[date, ...] = ()
    """Days without office hours besides weekends and federal holidays; no clock in working days counts them."""

    @field_validator("closed")
    @classmethod
    def _few(cls, days: tuple[date, ...]) -> tuple[date, ...]:
        years = Counter(day.year for day in days)
        if any(count > MOST_CLOSED for count in years.values()):
            raise ValueError(f"at most {MOST_CLOSED} closed days a year, so that no clock can be stopped by them")
        return days


class Officer(Strict):
    """A person who may approve, with a signing key (SSH) and a sealing key (age)."""

    name: str
    sign: SignKey
    age: str = ""
    phone: str = ""
    """Where they are reached at any hour; printed on the desk card, nowhere else."""


class State(Strict):
    """Where Reticent keeps its own records; its keys never live inside."""

    path: Path = Path("state")
    keys: Path = Path("/etc/reticent/keys")
    database: str = ""


class Accounts(Strict):
    """One database account a right: SQLAlchemy URLs, passwords by ${ENV} or ${file:PATH}."""

    find: str = ""
    sever: str = ""
    prove: str = ""
    roster: str = ""
    """Optional: reads the identifiers of the map's roster and nothing else, for the scan of `check`."""


CopyKind = Literal[
    "dump", "export", "replica", "subscription", "backup", "snapshot", "search_index",
    "binary_log", "redo_log", "undo", "general_log", "slow_log", "server_log", "wal", "wal_archive", "dead_rows",
]  # fmt: skip


class Copy(Strict):
    """Another medium that holds what a system holds. ``expires``: a length of time, or words."""

    kind: CopyKind
    paths: tuple[str, ...] = ()
    expires: str = ""
    contact: str = ""


class System(Strict):
    """One installation of software that keeps records, or one that is only declared."""

    kind: str
    accounts: Accounts = Accounts()
    receipts: bool = True
    """False where the receipt table is not allowed: severing is then repeatable and tallies approximate."""
    decisions: dict[str, str] = {}
    replicas: tuple[str, ...] = ()
    pseudonym_keys: tuple[str, ...] = ()
    """Salts and keys the system makes its pseudonyms with, by ${ENV} or ${file:PATH}: tried by `find`."""
    settings_files: tuple[Path, ...] = ()
    """Files in which the system keeps its settings (VuFind's config.ini); only what the map asks about is read."""
    copies: dict[str, Copy] = {}
    map: Path | None = None
    tenant: Tenant = ""
    """Whose schemas are meant, of a kind of system that serves several libraries from one database (FOLIO)."""
    branches: tuple[str, ...] | Literal["all"] = ()
    """Whose rows of this system are ours, where they are not named as [library] names them."""
    paths: tuple[str, ...] = ()
    config: str = ""
    format: str = ""
    bundle: Bundle = ""
    pseudonyms: bool = False
    """Of logs: replace addresses, accounts and sessions by pseudonyms of the day instead of removing them."""
    classes: tuple[RecordClass, ...] = ()
    retention: str = ""
    contact: str = ""
    attested: date | None = None


class Sever(Strict):
    """When and how far a run may go."""

    window: Window | None = None
    rows: int = Field(default=0, ge=0)
    free_space: Size = 2 * 10**9
    lag: Duration = timedelta(seconds=30)


class Cluster(Strict):
    """Other machines that sever logs; they see the same files under the same names."""

    scheduler: Scheduler = ""


class Statistics(Strict):
    """How the library counts: which of its item types belong to which group of a form."""

    item_types: dict[str, tuple[str, ...]] = {}
    active_borrowers: bool = False
    """Count active borrowers by a keyed flag a patron and year; the year's key is destroyed when it is counted."""


class Stricter(Strict):
    """The library's own answer to a kind of demand; it may be stricter than policy and statute, never looser."""

    answer: Literal["MUST_NOT", "NEEDS_COUNSEL"]
    cite: str = Field(min_length=1)
    """Where the library says so: board minutes, its own policy."""


class Inquiries(Strict):
    """How inquiries are kept."""

    hold_hours: int = Field(default=72, ge=1, le=240)
    """Hours of the provisional hold a paper places at once; counsel's setting."""
    retention: Duration = timedelta(days=3 * 365)
    """How long a closed inquiry is kept before it may be disposed of."""
    stricter: dict[str, Stricter] = {}
    """Kind of demand (a word of the law packs) -> the library's own answer."""
    playbook_reviewed: date | None = None
    """When counsel last went through the printed playbook and the list of whom to call."""


class Site(Strict):
    """A checked reticent.toml. ``folder`` is where it stands; relative paths start there."""

    library: Library
    officers: dict[Literal["custodian", "counsel", "alternate"], Officer] = {}
    state: State = State()
    retention: dict[str, Duration] = {}
    schedule: dict[str, str] = {}
    systems: dict[Name, System] = Field(min_length=1)
    sever: Sever = Sever()
    cluster: Cluster = Cluster()
    statistics: Statistics = Statistics()
    inquiries: Inquiries = Inquiries()
    folder: Path = Path()
    file: Path = Path("reticent.toml")

    @property
    def state_path(self) -> Path:
        """The state folder, absolute."""
        return (self.folder / self.state.path).resolve()

    @property
    def keys_path(self) -> Path:
        """The key folder, absolute."""
        return (self.folder / self.state.keys).resolve()

    def branches(self, system: str, *, apart: bool = False) -> tuple[str, ...] | Literal["all"]:
        """Return whose rows of a system are ours: its own list, else, unless ``apart``, the library's."""
        return self.systems[system].branches or (() if apart else self.library.branches)

    def fingerprint(self) -> str:
        """Return a digest of everything that changes what a run does. Passwords are not in it."""
        content = self.model_dump(mode="json", exclude={"folder", "file", "state"})
        content["library"].pop("closed")
        for system in content["systems"].values():
            system.pop("accounts")
            system.pop("replicas")
            system.pop("pseudonym_keys")
            system.pop("copies")
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def account(self, system: str, right: Literal["find", "sever", "prove", "roster"]) -> str:
        """Return the URL of an account with its password filled in; never print it."""
        url = str(getattr(self.systems[system].accounts, right))
        if not url:
            raise ConfigurationError(
                f'The system "{system}" has no account for "{right}".',
                where=f"{self.file} [systems.{system}.accounts]",
                do=f'Add {right} = "..."; `reticent init` prints the grants the account needs.',
            )
        return _filled(url, f"{self.file} [systems.{system}.accounts] {right}", self.folder)

    def pseudonym_keys(self, system: str) -> tuple[bytes, ...]:
        """Return the salts and keys of a system's pseudonyms; never print them."""
        where = f"{self.file} [systems.{system}] pseudonym_keys"
        return tuple(_read_in(text, where, self.folder).encode() for text in self.systems[system].pseudonym_keys)


def _filled(url: str, where: str, folder: Path) -> str:
    filled = _read_in(url, where, folder, _quoted)
    if filled.startswith("sqlite:///") and not filled.startswith("sqlite:////"):
        return f"sqlite:///{(folder / filled[10:]).resolve()}"
    return filled


def _read_in(text: str, where: str, folder: Path, shown: Callable[[str], str] = str) -> str:
    """Return text with each ``${NAME}`` and ``${file:PATH}`` read in."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        try:
            found = (folder / name[5:]).read_text().strip() if name.startswith("file:") else os.environ[name]
        except (OSError, KeyError, UnicodeDecodeError):
            raise ConfigurationError(
                f"${{{name}}} cannot be read.", where=where, do="Set the variable, or put the password into the file."
            ) from None
        return shown(found)

    return re.sub(r"\$\{([^}]+)\}", value, text)


def _quoted(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-._~" else "".join(f"%{b:02X}" for b in c.encode()) for c in text)


def find_file(given: Path | None) -> Path:
    """Return the site file: the one given, RETICENT_SITE, ./reticent.toml or /etc/reticent/reticent.toml."""
    if given is not None:
        return given
    if named := os.environ.get("RETICENT_SITE"):
        return Path(named)
    for path in SEARCHED:
        if path.exists():
            return path
    raise ConfigurationError(
        "There is no reticent.toml.",
        where=", ".join(map(str, SEARCHED)),
        do="Run `reticent init` to write one, name one with --site, or try `reticent demo`.",
    )


def read_site(path: Path) -> Site:
    """Read and check a site file. Raises ConfigurationError naming file and line."""
    source = load(path, _DO)
    site = check(source, Site, _DO, folder=path.resolve().parent, file=path)
    _check(site, source)
    return site


_DO = "Correct it; docs/reference/reticent-toml.md describes every setting."


def _check(site: Site, source: TomlFile) -> None:
    if site.keys_path == site.state_path or site.state_path in site.keys_path.parents:
        raise ConfigurationError(
            "The keys are inside the state folder; whoever copies one would have both.",
            where=source.where("state", "keys"),
            do="Choose a folder outside state.path, on other storage if there is any.",
        )
    for table in ("retention", "schedule"):
        for key in getattr(site, table):
            _known_series_key(site, source, table, key)
    if site.retention.get("last_borrower", timedelta()) > timedelta(days=7):
        raise ConfigurationError(
            "The last-borrower window may be at most 7 days.",
            where=source.where("retention", "last_borrower"),
            do="Shorten it. Longer, it is a reading history.",
        )


def _known_series_key(site: Site, source: TomlFile, table: str, key: str) -> None:
    allowed = [*RecordClass, *EXTRA_RETENTION] + (["*"] if table == "schedule" else [])
    if key in allowed or key.partition(".")[0] in site.systems:
        return
    raise ConfigurationError(
        f"{key!r} is not a record class{nearest(key, allowed)}.",
        where=source.where(table, key),
        do=f'Use one of: {", ".join(allowed)}; or "system.series".',
    )
