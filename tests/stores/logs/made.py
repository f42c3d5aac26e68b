"""A made-up library's logs with planted marks. Every planted value is in ``MARKS`` and nowhere else."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
WORDS = ["hepatitisq", "divorcelawq", "bankruptcyq", "unionisingq", "gendercareq"]
AUDIT_HEADER = b"Date/Time\tEvent\tIP\tUsername\tSession\tOther"


@dataclass
class Made:
    """The texts of a bundle and what was planted in them."""

    access: bytes = b""
    spu: bytes = b""
    audit: bytes = b""
    opac: bytes = b""
    sip2: bytes = b""
    users: list[str] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    @property
    def marks(self) -> list[bytes]:
        return [one.encode() for one in (*self.users, *self.sessions, *self.addresses, *self.words)]


def clock(second: int) -> str:
    day, rest = 1 + second // 86_400, second % 86_400
    return f"{day:02d}/Mar/2026:{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d} +0000"


def made(visits: int = 60, seed: int = 3) -> Made:
    """An EZproxy day (access, SPU, audit), an OPAC log and self-check traffic of the same people."""
    dice, out = random.Random(seed), Made(words=list(WORDS))
    access, spu, audit, opac, sip2 = [], [], [AUDIT_HEADER.decode()], [], []
    for i in range(visits):
        user, session = f"p{2_123_400_000_000 + i}", "".join(dice.choices("abcdefghjkmnpqrstuvwxyz", k=15))
        ip, ticket = (
            f"203.{dice.randrange(256)}.{dice.randrange(256)}.{i + 1}",
            f"{dice.randrange(16**16):016x}",
        )
        out.users.append(user)
        out.sessions += [session, ticket]
        out.addresses.append(ip)
        at = 3_000 + i * 97
        stamp = f"2026-03-{1 + at // 86_400:02d} {at % 86_400 // 3600:02d}:{at // 60 % 60:02d}:{at % 60:02d}"
        audit.append(f"{stamp}\tLogin.Success\t{ip}\t{user}\t{session}\tcampus {user}")
        access.append(
            f'{ip} - - [{clock(at)}] "GET http://proxy.example:80/login?user={user}&ticket={ticket}&url=https://www.jstor.org/stable/{4000 + i} HTTP/1.1" 302 0'
        )
        access.append(
            f'{ip} {session} {user} [{clock(at + 1)}] "GET http://proxy.example:80/connect?session=s{session}&url=menu HTTP/1.1" 302 0'
        )
        for n in range(dice.randrange(1, 5)):
            word, size = dice.choice(WORDS), dice.randrange(20_000, 900_000)
            access.append(
                f'{ip} {session} {user} [{clock(at + 2 + n)}] "GET http://www.jstor.org:80/stable/pdf/{4000 + dice.randrange(40)}?q={word}&SID={session} HTTP/1.1" 200 {size}'
            )
        spu.append(
            f"2026/03/{1 + at // 86_400:02d}:{at % 86_400 // 3600:02d}:{at // 60 % 60:02d}:{at % 60:02d}\t{ip}\t{user}\tproxy\twww.jstor.org\thttps://www.jstor.org/action/doBasicSearch?Query={dice.choice(WORDS)}"
        )
        opac.append(
            f'{ip} - {user} [{clock(at)}] "GET /cgi-bin/koha/opac-search.pl?idx=kw&q={dice.choice(WORDS)} HTTP/1.1" 200 {dice.randrange(9_000, 90_000)} "https://catalog.lakeside.example/cgi-bin/koha/opac-user.pl?userid={user}" "Mozilla/5.0 \\"x\\" Firefox/128.0"'
        )
        sip2.append(
            f"2026-03-01 10:11:{i % 60:02d} READ: 6300120260301    1011{i % 60:02d}          AOMAIN|AA{user}|AC|AD{9000 + i}|"
        )
    out.access, out.spu, out.audit, out.opac, out.sip2 = (
        ("\n".join(lines) + "\n").encode() for lines in (access, spu, audit, opac, sip2)
    )
    return out


ACCESS_FORMAT = 'ezproxy: %h %{ezproxy-session}i %u %t "%r" %s %b'
SPU_FORMAT = r"ezproxy: %{%Y/%m/%d:%H:%M:%S}t\t%h\t%u\t%{ezproxy-spuaccess}i\t%v\t%U"
