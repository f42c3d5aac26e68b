"""The tables of Reticent's own database. Counts, digests, dates and series names; never a person or a use."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

facts = sa.Table(
    "facts",
    metadata,
    sa.Column("name", sa.String(80), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
plans = sa.Table(
    "plans",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("made", sa.String(32), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("sequence", sa.Integer, nullable=False, unique=True),
    sa.Column("plan", sa.String(64), nullable=False),
    sa.Column("started", sa.String(32), nullable=False),
    sa.Column("ended", sa.String(32)),
    sa.Column("outcome", sa.String(200), nullable=False),
)
run_steps = sa.Table(
    "run_steps",
    metadata,
    sa.Column("run", sa.String(32), primary_key=True),
    sa.Column("step", sa.String(80), primary_key=True),
    sa.Column("planned", sa.Integer, nullable=False),
    sa.Column("severed", sa.Integer, nullable=False),
    sa.Column("still_due", sa.Integer),
)
receipts = sa.Table(
    "receipts",
    metadata,
    sa.Column("run", sa.String(40), primary_key=True),
    sa.Column("step", sa.String(80), primary_key=True),
    sa.Column("chunk", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("rows_severed", sa.Integer, nullable=False),
)
_margin = (
    ("system", 30),
    ("measure", 40),
    ("month", 7),
    ("margin", 40),
    ("value", 80),
)
tallies = sa.Table(
    "tallies",
    metadata,
    *(sa.Column(name, sa.String(size), primary_key=True) for name, size in _margin),
    sa.Column("rows_counted", sa.Integer, nullable=False),
)
totals = sa.Table(
    "totals",
    metadata,
    *(sa.Column(name, sa.String(size), primary_key=True) for name, size in _margin),
    sa.Column("rows_counted", sa.Integer, nullable=False),
)
severed_until = sa.Table(
    "severed_until",
    metadata,
    sa.Column("step", sa.String(80), primary_key=True),
    sa.Column("cutoff", sa.String(32), nullable=False),
    sa.Column("partly", sa.Integer, nullable=False),
    sa.Column("partly_cutoff", sa.String(32), nullable=False),
)
arming = sa.Table(
    "arming",
    metadata,
    sa.Column("step", sa.String(80), primary_key=True),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("usual", sa.Integer, nullable=False),
    sa.Column("changed", sa.String(32), nullable=False),
    sa.Column("why", sa.String(200), nullable=False),
)
schedule = sa.Table(
    "schedule",
    metadata,
    sa.Column("step", sa.String(80), primary_key=True),
    sa.Column("item", sa.String(200), nullable=False),
    sa.Column("recorded", sa.String(32), nullable=False),
)
holds = sa.Table(
    "holds",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("scope", sa.String(80), nullable=False),
    sa.Column("placed", sa.String(32), nullable=False),
    sa.Column("until", sa.String(32), nullable=False),
    sa.Column("released", sa.String(32)),
)
permits = sa.Table(
    "permits",
    metadata,
    sa.Column("serial", sa.String(64), primary_key=True),
    sa.Column("expires", sa.String(32), nullable=False),
)
active_flags = sa.Table(
    "active_flags",
    metadata,
    sa.Column("system", sa.String(30), primary_key=True),
    sa.Column("period", sa.String(4), primary_key=True),
    sa.Column("flag", sa.String(32), primary_key=True),
)
inquiries = sa.Table(
    "inquiries",
    metadata,
    sa.Column("case_id", sa.String(32), primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
