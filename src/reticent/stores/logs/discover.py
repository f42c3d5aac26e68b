"""Finds the logs of a server in the server's own configuration: httpd, nginx, EZproxy."""

from __future__ import annotations

import glob
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reticent.errors import ConfigurationError
from reticent.model import NotLookedAt, Setting
from reticent.stores.logs.formats import NAMED
from reticent.stores.logs.sources import LogSource

_DEEPEST = 20
_STRFTIME = re.compile(r"%[A-Za-z]")


@dataclass
class Discovered:
    """The logs of one server, the settings that make them hold more, and what could not be looked at."""

    sources: list[LogSource] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    not_looked_at: list[NotLookedAt] = field(default_factory=list)


def with_siblings(path: str) -> str:
    """Return the glob of a log and its rotated and forgotten copies: ``.1``, ``.gz``, ``-2026``, ``~``."""
    return re.sub(r"\*+", "*", _STRFTIME.sub("*", path) + "*")


def discover(kind: str, config: Path, *, system: str, variables: Mapping[str, str] | None = None) -> Discovered:
    """Read a server's configuration. ``kind`` is apache, nginx or ezproxy; ``variables`` fill ``${NAME}``.

    Raises ConfigurationError if the file cannot be read or ``kind`` is unknown.
    """
    readers = {"apache": _apache, "nginx": _nginx, "ezproxy": _ezproxy}
    if kind not in readers:
        raise ConfigurationError(f"{kind!r} is not a server whose configuration can be read", where=str(config))
    return readers[kind](config, system, dict(variables or {}))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        raise ConfigurationError("this configuration cannot be read", where=str(path), do="check the path") from None


def _add(found: Discovered, system: str, name: str, path: str, form: str, packs: tuple[str, ...]) -> None:
    """Add a log that was not met before; a second one of its name gets a number."""
    paths, number = (with_siblings(path),), sum(one.name.startswith(name) for one in found.sources)
    if all((one.paths, one.format) != (paths, form) for one in found.sources):
        found.sources.append(LogSource(f"{name}-{number}" if number else name, paths, form, packs, bundle=system))


# --- Apache ---------------------------------------------------------------------------------

WEB = ("koha", "vufind", "blacklight", "openurl", "shibboleth")
PROXY = ("ezproxy", "openurl", "shibboleth", "publishers")


def _apache(config: Path, system: str, variables: dict[str, str]) -> Discovered:
    found, formats, last = Discovered(), {name: form for name, (_, form) in NAMED.items()}, NAMED["common"][1]
    envvars = config.parent / "envvars"
    if envvars.is_file():
        exports = re.findall(r"^\s*export\s+(\w+)=(\S*)", envvars.read_text("utf-8", "replace"), re.MULTILINE)
        variables = {name: re.sub(r"\$\w+", "", value) for name, value in exports} | variables
    root = str(config.parent)
    for words in _apache_lines(config, variables, root, 0):
        name, rest = words[0].lower(), words[1:]
        if name == "serverroot" and rest:
            root = rest[0]
        elif name == "logformat" and len(rest) == 2:
            formats[rest[1]] = rest[0]
        elif name == "logformat" and rest:
            last = rest[0]
        elif name in ("customlog", "globallog") and rest:
            form = rest[1] if len(rest) > 1 and not rest[1].startswith(("env=", "expr=")) else last
            _apache_log(found, system, rest[0], "apache: " + formats.get(form, form), root)
        elif name == "transferlog" and rest:
            _apache_log(found, system, rest[0], "apache: " + last, root)
        elif name == "errorlog" and rest:
            _apache_log(found, system, rest[0], "apache-error", root)
        elif name in ("forensiclog", "errorlogformat", "dumpioinput", "logiotrackttfb") and rest:
            found.not_looked_at.append(NotLookedAt(system, words[0], "this directive writes records of another kind"))
    return found


def _apache_lines(config: Path, variables: dict[str, str], root: str, depth: int) -> Iterator[list[str]]:
    if depth > _DEEPEST:
        return
    for line in _text(config).replace("\\\n", " ").splitlines():
        bare = line.strip()
        if not bare or bare.startswith(("#", "<")):
            continue
        words = _words(re.sub(r"\$\{(\w+)\}", lambda m: variables.get(m[1], m[0]), bare))
        if words[0].lower() == "define" and len(words) == 3:
            variables[words[1]] = words[2]
        if words[0].lower() == "serverroot" and len(words) > 1:
            root = words[1]
        if words[0].lower() in ("include", "includeoptional") and len(words) > 1:
            pattern = str(Path(root) / words[1])
            for path in sorted(glob.glob(pattern)):
                inner = Path(path)
                for one in sorted(inner.iterdir()) if inner.is_dir() else [inner]:
                    yield from _apache_lines(one, variables, root, depth + 1)
        else:
            yield words


def _words(line: str) -> list[str]:
    """Split a directive as httpd does: double quotes group, a backslash escapes a quote inside them."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)
    return [re.sub(r'\\(["\\])', r"\1", quoted) if quoted or not bare else bare for quoted, bare in found]


def _apache_log(found: Discovered, system: str, target: str, form: str, root: str) -> None:
    if target == "/dev/null":
        return
    if target.startswith(("syslog", "|$")):
        why = "this log leaves the machine or the file system"
        found.not_looked_at.append(NotLookedAt(system, target.split()[0], why))
        return
    path = target
    if target.startswith("|"):
        words = shlex.split(target.lstrip("|"))
        targets = [one for one in words[1:] if "/" in one and not one.startswith("-")]
        if not words or not words[0].endswith("rotatelogs") or not targets:
            found.not_looked_at.append(
                NotLookedAt(system, "CustomLog |" + (words or [""])[0], "a program takes this log")
            )
            return
        path = targets[0]
    _add(found, system, "error" if form == "apache-error" else "access", str(Path(root) / path), form, WEB)


# --- nginx ----------------------------------------------------------------------------------

_NGINX = re.compile(r"""#[^\n]*|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([{};])|([^\s{};"'#][^\s{};]*)""")


def _nginx(config: Path, system: str, variables: dict[str, str]) -> Discovered:
    found, formats = Discovered(), {"combined": NAMED["nginx"][1]}
    statements = list(_nginx_statements(config, config.parent, 0))
    for words in statements:
        if words[0] == "log_format" and len(words) > 2:
            formats[words[1]] = "".join(word for word in words[2:] if not word.startswith("escape="))
    for words in statements:
        if words[0] not in ("access_log", "error_log") or len(words) < 2 or words[1] in ("off", "stderr", "/dev/null"):
            continue
        if words[1].startswith(("syslog:", "memory:")):
            found.not_looked_at.append(NotLookedAt(system, words[1].split(",")[0], "this log leaves the machine"))
            continue
        plain = next((one for one in words[2:] if "=" not in one), "combined")
        form = "nginx-error" if words[0] == "error_log" else "nginx: " + formats.get(plain, plain)
        path = re.sub(r"\$\{?\w+\}?", "*", str(config.parent / words[1]))
        _add(found, system, "error" if form == "nginx-error" else "access", path, form, WEB)
        if words[0] == "error_log" and "debug" in words[2:]:
            found.settings.append(
                Setting(system, "error_log", "debug", "A debug log holds whole requests.", "Use the level warn.")
            )
    return found


def _nginx_statements(config: Path, root: Path, depth: int) -> Iterator[list[str]]:
    if depth > _DEEPEST:
        return
    words: list[str] = []
    for match in _NGINX.finditer(_text(config)):
        double, single, sign, word = match.groups()
        if sign is None and match[0].startswith("#"):
            continue
        if sign is None:
            quoted = double if double is not None else single
            words.append(re.sub(r"\\([\"'\\])", r"\1", quoted) if quoted is not None else word)
            continue
        if sign == ";" and words[:1] == ["include"] and len(words) > 1:
            for path in sorted(glob.glob(str(root / words[1]))):
                yield from _nginx_statements(Path(path), root, depth + 1)
        elif sign == ";" and words:
            yield words
        words = []


# --- EZproxy --------------------------------------------------------------------------------


def _ezproxy(config: Path, system: str, variables: dict[str, str]) -> Discovered:
    found, form, logfile, audit = Discovered(), NAMED["ezproxy"][1], "ezproxy.log", False
    spu: list[tuple[str, str]] = []
    for name, rest in _ezproxy_lines(config, 0):
        if name == "logformat":
            form = rest
        elif name == "logfile":
            logfile = rest.removeprefix("-strftime").strip() or logfile
        elif name == "logspu":
            path, _, spu_form = rest.removeprefix("-strftime").strip().partition(" ")
            spu.append((path, spu_form.strip()))
        elif name == "audit":
            audit = True
        else:
            _ezproxy_setting(found, system, name, rest)
    folder = config.parent
    _add(found, system, "access", str(folder / logfile), f"ezproxy: {form}", PROXY)
    for path, spu_form in spu:
        _add(found, system, "spu", str(folder / path), f"ezproxy: {spu_form}", PROXY)
    if audit or (folder / "audit").is_dir():
        found.sources.append(LogSource("audit", (str(folder / "audit" / "*.txt*"),), "tsv", bundle=system))
    found.not_looked_at.append(
        NotLookedAt(system, "ezproxy.hst", "live sessions and logins; never rewritten while EZproxy runs")
    )
    return found


def _ezproxy_lines(config: Path, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _DEEPEST:
        return
    for line in _text(config).splitlines():
        name, _, rest = line.strip().partition(" ")
        if name.lower() == "includefile":
            inner = config.parent / rest.strip()
            if inner.is_file():
                yield from _ezproxy_lines(inner, depth + 1)
        elif name and not name.startswith("#"):
            yield name.lower(), rest.strip()


def _ezproxy_setting(found: Discovered, system: str, name: str, rest: str) -> None:
    if name == "auditpurge":
        found.settings.append(
            Setting(
                system,
                "AuditPurge",
                rest,
                "For so many days the audit file keeps account, address and session side by side.",
                "Set AuditPurge to 7 or less.",
            )
        )
    elif name == "option" and rest.lower() in ("loguser", "logsession", "logreferer", "logspu"):
        why = "The access log holds an account, a session or the page before in every line."
        found.settings.append(Setting(system, f"Option {rest}", "on", why, f"Remove Option {rest}."))
