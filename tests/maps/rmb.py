"""What RAML Module Builder puts on a FOLIO module's tables, written anew from its described behaviour.

Metadata (the columns creation_date and created_by win over the document on every update), the document's own number,
the audit copy of every change, whose number is the MD5 of what it copies, the version number that another writer's
update must still find, and the folded indexes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

AUDITED = {"mod_circulation_storage.loan": ("audit_loan", "loan")}
VERSIONED = ("mod_patron_blocks.user_summary", "mod_inventory_storage.item")
FOLDED: Mapping[str, tuple[str, ...]] = {
    "mod_circulation_storage.loan": ("userId", "itemId"),
    "mod_circulation_storage.audit_loan": ("loan,id",),
    "mod_feesfines.accounts": ("loanId", "userId"),
    "mod_patron_blocks.loan_closed_event": ("userId",),
}


def statements(tenant: str, tables: Iterable[str]) -> Iterator[str]:
    """Yield what stands on the RMB tables among ``tables`` (named with their schemas)."""
    found = sorted(tables)
    yield "CREATE EXTENSION IF NOT EXISTS unaccent SCHEMA public"
    for schema in sorted({name.partition(".")[0] for name in found}):
        yield (
            f"CREATE OR REPLACE FUNCTION {schema}.f_unaccent(text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE "
            "STRICT AS $f$ SELECT public.unaccent('public.unaccent', $1) $f$"
        )
        yield (
            f"CREATE OR REPLACE FUNCTION {schema}.set_id_in_jsonb() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN "
            "NEW.jsonb := jsonb_set(NEW.jsonb, '{id}', to_jsonb(NEW.id)); RETURN NEW; END $f$"
        )
    for name in found:
        yield from metadata(name)
        yield numbered(name)
    for name, (audit, label) in AUDITED.items():
        yield from audited(f"{tenant}_{name}", audit, label)
    for name in VERSIONED:
        yield from versioned(f"{tenant}_{name}")
    for name, paths in FOLDED.items():
        yield from (folded(f"{tenant}_{name}", path) for path in paths)


def numbered(name: str) -> str:
    """Return the trigger that writes a record's number into its document."""
    function = f"{name.partition('.')[0]}.set_id_in_jsonb"
    return (
        f"CREATE TRIGGER set_id_in_jsonb BEFORE INSERT OR UPDATE ON {name} FOR EACH ROW EXECUTE FUNCTION {function}()"
    )


def metadata(name: str) -> Iterator[str]:
    """Yield the trigger by which an update cannot change who made a record, and when."""
    schema, _, table = name.partition(".")
    function = f"{schema}.set_{table}_md_json"
    yield f"""CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $f$
        BEGIN
          IF NEW.creation_date IS NOT NULL THEN
            NEW.jsonb := jsonb_set(NEW.jsonb, '{{metadata,createdDate}}',
              to_jsonb(to_char(NEW.creation_date, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')));
            NEW.jsonb := CASE WHEN NEW.created_by IS NULL THEN NEW.jsonb #- '{{metadata,createdByUserId}}'
              ELSE jsonb_set(NEW.jsonb, '{{metadata,createdByUserId}}', to_jsonb(NEW.created_by)) END;
          END IF;
          RETURN NEW;
        END $f$"""
    yield (
        f"CREATE TRIGGER set_{table}_md_json_trigger BEFORE UPDATE ON {name} FOR EACH ROW EXECUTE FUNCTION {function}()"
    )


def audited(name: str, audit: str, label: str) -> Iterator[str]:
    """Yield the trigger that keeps a copy of a record at every change of it."""
    schema, _, table = name.partition(".")
    function = f"{schema}.audit_{table}_changes"
    yield f"""CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $f$
        DECLARE
          kept jsonb := CASE WHEN TG_OP = 'DELETE' THEN OLD.jsonb ELSE NEW.jsonb END;
          made uuid := overlay(overlay(md5(kept::text) placing '4' from 13) placing '8' from 17)::uuid;
        BEGIN
          INSERT INTO {schema}.{audit} (id, jsonb) VALUES (made, jsonb_build_object('id', made, 'createdDate',
            current_timestamp::text, 'operation', left(TG_OP, 1), '{label}', kept));
          RETURN NULL;
        END $f$"""
    yield (
        f"CREATE TRIGGER audit_{table} AFTER INSERT OR UPDATE OR DELETE ON {name} "
        f"FOR EACH ROW EXECUTE FUNCTION {function}()"
    )


def versioned(name: str) -> Iterator[str]:
    """Yield the trigger that refuses an update of another version than the stored one, and counts versions up."""
    schema, _, table = name.partition(".")
    function = f"{schema}.{table}_set_ol_version"
    yield f"""CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $f$
        BEGIN
          IF NEW.jsonb->'_version' IS DISTINCT FROM OLD.jsonb->'_version' THEN
            RAISE 'optimistic locking' USING ERRCODE = '23F09';
          END IF;
          NEW.jsonb := jsonb_set(NEW.jsonb, '{{_version}}', to_jsonb(coalesce((OLD.jsonb->>'_version')::numeric + 1, 1)));
          RETURN NEW;
        END $f$"""
    yield (
        f"CREATE TRIGGER set_{table}_ol_version_trigger BEFORE UPDATE OF jsonb ON {name} "
        f"FOR EACH ROW EXECUTE FUNCTION {function}()"
    )


def folded(name: str, path: str) -> str:
    """Return the index on a path's text without accents and capitals."""
    schema, _, table = name.partition(".")
    *ways, last = path.split(",")
    text = "jsonb" + "".join(f"->'{way}'" for way in ways) + f"->>'{last}'"
    return f"CREATE INDEX ON {schema}.{table} (lower({schema}.f_unaccent({text})))"
