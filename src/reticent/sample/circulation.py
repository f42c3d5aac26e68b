"""Years of loans: when the doors are open, who comes, what they take, when it comes back."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from reticent.sample.catalogue import BRANCHES, FOR_EVER, Catalogue, Item
from reticent.sample.people import STAFF, Patron, Town, collections

LOAN_DAYS = {"DVD": 7, "MAG": 7, "TOOL": 7}
_SEASON = (1.05, 1.0, 1.05, 0.95, 0.9, 1.3, 1.4, 1.15, 0.9, 1.0, 0.95, 0.75)  # summer reading; quiet December
_WEEKDAY = (1.1, 1.05, 1.0, 1.0, 0.9, 1.3, 0.5)
_HOURS = {  # weekday (Monday 0): (opens, closes)
    "MAIN": {0: (9, 20), 1: (9, 20), 2: (9, 20), 3: (9, 20), 4: (9, 18), 5: (10, 17), 6: (13, 17)},
    "EAST": {1: (10, 18), 2: (10, 18), 3: (10, 18), 4: (10, 18), 5: (10, 16)},
    "BKM": {1: (13, 17), 3: (13, 17)},
}


@dataclass
class Loan:
    """One loan and everything that will happen to it; ``returned`` is None for a loan never brought back."""

    number: int
    patron: Patron
    item: Item
    branch: str
    issued: datetime
    due: datetime
    returned: datetime | None
    clerk: int
    renewed: list[tuple[datetime, bool]] = field(default_factory=list)
    """Moments of renewal, each with whether the patron did it in the OPAC."""

    def open_at(self, midnight: datetime) -> bool:
        """Tell whether the item is still out at a moment."""
        return self.returned is None or self.returned >= midnight


def is_open(branch: str, day: date) -> bool:
    """Tell whether a branch opens its doors on a day."""
    holiday = (day.month, day.day) in {(1, 1), (7, 4), (12, 24), (12, 25)}
    thanksgiving = day.month == 11 and day.weekday() == 3 and 22 <= day.day <= 28
    return day.weekday() in _HOURS[branch] and not holiday and not thanksgiving


def moment(rng: random.Random, branch: str, day: date) -> datetime:
    """Return a moment within opening hours on the first open day from ``day`` on."""
    while not is_open(branch, day):
        day += timedelta(days=1)
    opens, closes = _HOURS[branch][day.weekday()]
    return datetime.combine(day, time(opens)) + timedelta(seconds=rng.randrange((closes - opens) * 3600))


def simulate(rng: random.Random, town: Town, catalogue: Catalogue, first_day: date, today: date) -> list[Loan]:
    """Lend for every open day before ``today``; about five loans a year for each current patron."""
    loans: list[Loan] = []
    midnight = datetime.combine(today, time())
    daily = len(town.current) * 5.2 / 300
    day = first_day
    while day < today:
        for branch, share in zip(BRANCHES, (0.7, 0.24, 0.06), strict=True):
            if is_open(branch, day):
                count = daily * share * _SEASON[day.month - 1] * _WEEKDAY[day.weekday()] * rng.uniform(0.8, 1.25)
                for patron in town.pick(rng, day, round(count)):
                    loan = _lend(rng, patron, catalogue, branch, day, len(loans) + 1)
                    if loan is not None:
                        loans.append(loan)
        day += timedelta(days=1)
    loans.sort(key=lambda loan: loan.issued)
    for number, loan in enumerate(loans, 1):
        loan.number = number
        loan.item.issues += 1
        if loan.open_at(midnight):
            loan.renewed = [renewal for renewal in loan.renewed if renewal[0] < midnight]
            loan.item.onloan = loan.due.date()
    return loans


def _lend(rng: random.Random, patron: Patron, catalogue: Catalogue, branch: str, day: date, number: int) -> Loan | None:
    issued = moment(rng, branch, day)
    item = _choose(rng, patron, catalogue, issued)
    if item is None:
        return None
    period = LOAN_DAYS.get(item.type, 21)
    due = datetime.combine(day + timedelta(days=period), time(23, 59))
    loan = Loan(number, patron, item, branch, issued, due, None, rng.choice(STAFF))
    while rng.random() < 0.17 and len(loan.renewed) < 2:
        when = moment(rng, branch, loan.due.date() - timedelta(days=rng.randrange(1, 4)))
        loan.renewed.append((when, rng.random() < 0.7))
        loan.due = datetime.combine(when.date() + timedelta(days=period), time(23, 59))
    back = rng.triangular(0.2, 1.1, 0.8) if rng.random() < 0.9 else rng.uniform(1.1, 2.2)
    start = loan.renewed[-1][0] if loan.renewed else issued
    out = max(1, round(back * period))
    loan.returned = moment(rng, branch, start.date() + timedelta(days=out))
    if rng.random() < 0.002:
        loan.returned, item.lost = None, True
    if patron.left is not None and (loan.returned is None or loan.returned.date() >= patron.left):
        item.lost, loan.returned = False, moment(rng, branch, day + timedelta(days=1))
        loan.renewed.clear()
        if loan.returned.date() >= patron.left:
            return None
    item.free_from = loan.returned + timedelta(minutes=30) if loan.returned else FOR_EVER
    return loan


def _choose(rng: random.Random, patron: Patron, catalogue: Catalogue, when: datetime) -> Item | None:
    """A few tries for an item on the shelf; popular titles sit at the front of each list."""
    reads, weights = collections(patron.category)
    for _ in range(4):
        items = catalogue.by_ccode[rng.choices(reads, weights)[0]]
        item = items[int(len(items) * rng.random() ** 1.7)]
        if item.free_from <= when and item.type != "REF":
            return item
    return None
