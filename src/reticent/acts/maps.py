"""A library's own map counts only with two officers' signatures over the file.

A map decides what is asked: one whose condition names a person would make `find` answer about that person.
"""

from __future__ import annotations

from pathlib import Path

from reticent.errors import ReticentError
from reticent.keyring.officers import NAMESPACE, Officer, require_two
from reticent.site import Site
from reticent.systems.load import load_map
from reticent.systems.mapfile import Map


def local_map(site: Site, path: Path) -> Map:
    """Load a map beside the site file; ``PATH.ROLE.sig`` are the officers' signatures of it.

    Raises ConfigurationError for a wrong map, NotPermitted or EvidenceBroken for one that two officers have
    not signed as it stands.
    """
    loaded = load_map(path)
    signatures: dict[str, str] = {}
    for role in site.officers:
        seal = path.with_name(f"{path.name}.{role}.sig")
        if seal.exists():
            signatures[role] = seal.read_text(encoding="utf-8", errors="replace")
    officers = [Officer(role, one.name, one.sign) for role, one in site.officers.items()]
    try:
        require_two(officers, path.read_bytes(), signatures)
    except ReticentError as error:
        raise type(error)(
            f"{path.name} is a map of your own, and two officers have not signed it as it stands. {error.what}",
            where=str(path),
            do=f"Two officers sign it: ssh-keygen -Y sign -n {NAMESPACE} -f KEY {path.name}; "
            f"keep each signature as {path.name}.ROLE.sig.",
        ) from None
    return loaded
