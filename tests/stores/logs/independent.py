"""An independent reader of logs for the tests. It shares no code with Reticent: it cuts lines by hand.

It answers two questions: are all bytes outside the declared spans the same, and does any planted
value survive.
"""

from __future__ import annotations


def clf_spans(line: bytes) -> dict[str, bytes]:
    """Cut a common or combined line by hand, character by character."""
    out: dict[str, bytes] = {}
    rest = line
    for name in ("host", "ident", "user"):
        out[name], _, rest = rest.partition(b" ")
    assert rest[:1] == b"["
    out["time"], _, rest = rest[1:].partition(b"]")
    for name in ("request", "referrer", "agent"):
        if b'"' not in rest:
            break
        between, _, rest = rest.partition(b'"')
        out["before " + name] = between
        end = 0
        while rest[end : end + 1] != b'"':
            end += 2 if rest[end : end + 1] == b"\\" else 1
        out[name], rest = rest[:end], rest[end + 1 :]
    out["tail"] = rest
    return out


def without_values(url: bytes) -> bytes:
    """Drop what stands behind every ``=`` up to the next delimiter, by hand."""
    out, skipping = bytearray(), False
    for i in range(len(url)):
        sign = url[i : i + 1]
        if sign in b"?&;# ":
            skipping = False
        if not skipping:
            out += sign
        if sign == b"=":
            skipping = True
    return bytes(out)


def outside_is_same(before: bytes, after: bytes) -> list[str]:
    """Compare two common or combined logs line by line; return what differs where nothing may."""
    found = []
    old, new = before.split(b"\n"), after.split(b"\n")
    if len(old) != len(new):
        return [f"{len(old)} lines became {len(new)}"]
    for number, (one, other) in enumerate(zip(old, new, strict=True)):
        if one == other or b"reticent-withheld" in other:
            continue
        a, b = clf_spans(one), clf_spans(other)
        if a.keys() != b.keys():
            found.append(f"line {number}: other fields")
            continue
        if a["time"][:14] != b["time"][:14] or a["time"][20:] != b["time"][20:]:
            found.append(f"line {number}: the hour or the zone")
        for name in ("request", "referrer"):
            if name in a and without_values(a[name]) != without_values(b[name]):
                found.append(f"line {number}: {name} outside its values")
        status_a, status_b = _status(a), _status(b)
        if status_a != status_b:
            found.append(f"line {number}: status")
    return found


def _status(spans: dict[str, bytes]) -> bytes:
    text = spans.get("before referrer", spans["tail"])
    return text.split()[0]


def surviving(text: bytes, marks: list[bytes]) -> list[bytes]:
    """Return the planted values that stand anywhere in the text, as they are or percent-encoded."""
    low = text.lower()
    return [mark for mark in marks if mark.lower() in low or b"%".join([b"", mark.hex().encode()]) in low]
