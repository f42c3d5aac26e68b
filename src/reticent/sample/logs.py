"""The sample library's logs: an EZproxy bundle, the catalogue's web server and a self-check, with planted faults.

What a log remembers is seen best side by side: the ticket line of the access log, the session beside the
account in the audit file, the search words in both. Nobody in them exists.
"""

from __future__ import annotations

import gzip
import os
import random
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path

from reticent.deidentify.sip2 import checksum

DAYS = 20
"""So many days, yesterday the last, have a file of their own."""
_FORGOTTEN = 90
"""Days ago: a compressed copy nobody thinks of any more."""
CONFIG = r"""# EZproxy, as many libraries run it. What makes the logs hold more than they need is a planted fault.
LogFormat %h %{ezproxy-session}i %u %t "%r" %s %b
LogFile -strftime ezproxy%Y%m%d.log
LogSPU -strftime spu%Y%m%d.log %{%Y/%m/%d:%H:%M:%S}t\t%h\t%u\t%{ezproxy-spuaccess}i\t%v\t%U
Audit Most
AuditPurge 720
Option LogUser
Option LogSession
"""
_AUDIT = "Date/Time\tEvent\tIP\tUsername\tSession\tOther"
_WORDS = ("divorce", "hepatitis", "bankruptcy", "asylum", "depression", "union", "garden", "poland", "baptism")
_HOSTS = ("www.jstor.org", "search.ebscohost.example", "heritage.example")
_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/143.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) Version/18.6 Mobile/15E148 Safari/604.1",
    'Mozilla/5.0 (\\"Hearth\\"; a browser that quotes itself)',
    "Mozilla/5.0 (compatible; Harvestbot/2.1; +http://bot.example/)",
)


@dataclass
class Book:
    """What the logs say, by file, and the marks planted in them."""

    dice: random.Random
    files: dict[str, list[bytes]] = field(default_factory=dict)
    last: dict[str, datetime] = field(default_factory=dict)

    def add(self, name: str, when: datetime, line: str) -> None:
        """Write one line into a file."""
        self.files.setdefault(name, []).append(line.encode("utf-8", "surrogateescape"))
        self.last[name] = max(self.last.get(name, when), when)


def write(folder: Path, cards: list[str], *, seed: int, today: date) -> int:
    """Write the logs of readers with these card numbers under ``folder``; return the lines written.

    The same arguments give the same bytes. Every planted account, session, address and word is in the
    raw files only: what is severed holds none of them.
    """
    book = Book(random.Random(seed))  # noqa: S311
    _day(book, cards, today - timedelta(days=_FORGOTTEN), packed=".gz")
    for back in range(DAYS, 0, -1):
        _day(book, cards, today - timedelta(days=back))
    _faults(book)
    for name, lines in book.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = b"\n".join(lines) + b"\n"
        path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
        stamp = book.last[name].timestamp()
        os.utime(path, (stamp, stamp))
    (folder / "proxy" / "config.txt").write_text(CONFIG, encoding="ascii")
    return sum(map(len, book.files.values()))


def _day(book: Book, cards: list[str], day: date, *, packed: str = "") -> None:
    stamp = f"{day:%Y%m%d}"
    audit = f"proxy/audit/{stamp}.txt"
    start = datetime.combine(day, time(8))
    book.add(audit, start, _AUDIT)
    for n in range(8):
        reader = cards[book.dice.randrange(len(cards))]
        when = start + timedelta(minutes=70 * n + book.dice.randrange(60), seconds=book.dice.randrange(60))
        host = f"203.0.{book.dice.choice((64, 65, 113))}.{book.dice.randrange(2, 250)}"
        session = "".join(book.dice.choices("abcdefghkmnpqrstuvwxyzABCDEFGHKMNPQRSTUVWXYZ", k=15))
        _visit(book, f"proxy/ezproxy{stamp}.log{packed}", f"proxy/spu{stamp}.log", audit, when, host, reader, session)
        _catalogue(book, f"opac/access.log-{stamp}{packed}", when, host, reader)
        _self_check(book, f"selfcheck/sip-{stamp}.log", when, reader)


def _visit(book: Book, access: str, spu: str, audit: str, when: datetime, host: str, reader: str, session: str) -> None:
    site, word, ticket = book.dice.choice(_HOSTS), book.dice.choice(_WORDS), f"{book.dice.randrange(16**16):016x}"
    start = "http://proxy.lakeside.example"

    def line(then: datetime, url: str, size: int = 0) -> None:
        who = f"{session} {reader}" if size or "connect" in url else "- -"
        clock = f"{then:%d/%b/%Y:%H:%M:%S} +0000"
        book.add(access, then, f'{host} {who} [{clock}] "GET {url} HTTP/1.1" {200 if size else 302} {size}')

    line(when, f"{start}/login?user={reader}&ticket={ticket}&url=https://{site}/")
    line(when, f"{start}/connect?session=s{session}")
    for n in range(book.dice.randrange(1, 5)):
        item, size = book.dice.randrange(900), book.dice.randrange(20_000, 900_000)
        line(when + timedelta(seconds=40 * n + 20), f"http://{site}:80/stable/pdf/{item}?q={word}", size)
    book.add(
        spu, when, f"{when:%Y/%m/%d:%H:%M:%S}\t{host}\t{reader}\tproxy\t{site}\thttps://{site}/search?query={word}"
    )
    book.add(audit, when, f"{when:%Y-%m-%d %H:%M:%S}\tLogin.Success\t{host}\t{reader}\t{session}\tcard {reader}")


def _catalogue(book: Book, name: str, when: datetime, host: str, reader: str) -> None:
    word, agent = book.dice.choice(_WORDS), book.dice.choice(_AGENTS)
    home = "/cgi-bin/koha"
    for path, referrer in (
        (f"opac-search.pl?idx=kw&q={word}", "-"),
        (f"opac-detail.pl?biblionumber={book.dice.randrange(700)}", f"{home}/opac-search.pl?idx=kw&q={word}"),
        (f"opac-user.pl?userid={reader}&password={book.dice.randrange(1000, 9999)}", f"{home}/opac-main.pl"),
    ):
        asked = (
            f'[{when:%d/%b/%Y:%H:%M:%S} +0000] "GET {home}/{path} HTTP/1.1" 200 {book.dice.randrange(9_000, 90_000)}'
        )
        book.add(name, when, f'{host} - - {asked} "{referrer}" "{agent}"')


def _self_check(book: Book, name: str, when: datetime, reader: str) -> None:
    moment, named = f"{when:%Y%m%d}    {when:%H%M%S}", f"AOMAIN|AA{reader}|"
    asked = f"63001{moment}Y         {named}AD{book.dice.randrange(1000, 9999)}|AY1AZ"
    told = f"64{'':14}001{moment}000200010000000100000000{named}AEA Reader of Lakeside|AUThe book of garden paths|AY1AZ"
    for way, message in (("READ", asked), ("SEND", told)):
        book.add(name, when, f"{when:%Y-%m-%d %H:%M:%S} {way}: {message}{checksum(message.encode()).decode()}")


def _faults(book: Book) -> None:
    """Plant what breaks careless cleaners into the oldest file of each kind that is not compressed."""
    access = next(name for name in book.files if "ezproxy" in name and name.endswith(".log"))
    when = book.last[access]
    clock = f"[{when:%d/%b/%Y:%H:%M:%S} +0000]"
    forged = f"http://www.jstor.org/x%0a203.0.113.9%20-%20p1%20{clock}"
    book.add(access, when, f'203.0.113.7 - - {clock} "GET {forged} HTTP/1.1" 200 5')
    book.add(access, when, f'203.0.113.7 - - {clock} "GET http://www.jstor.org/stable/cut-in-the-mid')
    opac = next(name for name in book.files if name.startswith("opac") and not name.endswith(".gz"))
    book.add(opac, when, f'2001:db8::7 - - {clock} "GET /caf\udce9 HTTP/1.1" 404 5 "-" "<script>alert(1)</script>"')
    copy = access + "~"  # what an editor leaves; rotation never finds it
    book.files[copy], book.last[copy] = list(book.files[access]), when
    book.add("proxy/use of databases.csv", when, "database;searches")
