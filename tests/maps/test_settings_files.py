"""Settings that stand in a file: read by name, told with what to do; a file that cannot be read is said so."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from tests.acts import kit
from tests.maps import tables
from tests.maps.stage import write_site
from tests.maps.test_vufind import NEW as VUFIND

CONFIG = """
; VuFind's own writing: comments, quotes, a name again and again, a password that is nobody's business
[System]
debug = off
[Session]
type = File ; where sessions stand
secure = true
[Authentication]
method = "ILS"
encrypt_ils_password = false
hash_passwords = "On"
ils_encryption_key = "Qvjsecret"
account_deletion = true
legal_domains[] = "a.example"
legal_domains[] = "b.example"
[Logging]
;database       = log_table:alert,error,notice,debug
file           = /var/log/vufind.log:alert-5,error-5 ; with cookies
slack = #catalogue:alert,error
slackurl = https://hooks.example/Qvjsecret
[Matomo]
url = "https://matomo.example/"
[Mail]
password = Qvjsecret
url_shortener = "database"
"""


def built(folder: Path, files: str) -> kit.Lab:
    url = f"sqlite:///{folder}/it.db"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        tables.create(connection, VUFIND.tables)
    engine.dispose()
    write_site(VUFIND, folder, dict.fromkeys(("find", "sever", "prove"), url))
    site = folder / "reticent.toml"
    site.write_text(site.read_text().replace('tenant = ""', f"settings_files = {files}"))
    return kit.Lab(folder, url)


def test_what_a_settings_file_says_is_told_and_nothing_else_of_it(tmp_path: Path) -> None:
    (tmp_path / "config.ini").write_text(CONFIG)
    lab = built(tmp_path, '["config.ini"]')
    done = lab.run("--json", "find")
    told = {each["name"]: each["value"] for each in done.json["settings"] if "." in each["name"]}
    assert told == {
        "Authentication.encrypt_ils_password": "false",
        "Mail.url_shortener": "database",
        "Logging.file": "/var/log/vufind.log:alert-5,error-5",
        "Logging.slack": "#catalogue:alert,error",
        "Matomo.url": "https://matomo.example/",
    }
    assert "config.ini" not in {each["place"] for each in done.json["not_looked_at"]}
    assert "Qvjsecret" not in done.said + lab.run("find").said
    lab.close()


def test_what_a_settings_file_leaves_to_its_parent_is_told_and_is_read_from_it_where_that_is_named(
    tmp_path: Path,
) -> None:
    for folder, content in (
        ("parent", CONFIG),
        ("local", "[Parent_Config]\npath = /p/config.ini\n[Logging]\nfile = no\n"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.ini").write_text(content)
    lab = built(tmp_path, '["local/config.ini"]')
    alone = {each["name"]: each["value"] for each in lab.run("--json", "find").json["settings"] if "." in each["name"]}
    assert alone["Parent_Config.path"] == "/p/config.ini"
    assert "Logging.slack" not in alone
    lab.close()
    site = tmp_path / "reticent.toml"
    site.write_text(site.read_text().replace('["local/', '["parent/config.ini", "local/'))
    both = {each["name"]: each["value"] for each in lab.run("--json", "find").json["settings"] if "." in each["name"]}
    assert both["Logging.slack"] == "#catalogue:alert,error"
    assert "Logging.file" not in both, "the local file turns it off"
    lab.close()


def test_a_settings_file_that_is_not_named_is_not_there_or_is_no_such_thing_is_said(tmp_path: Path) -> None:
    for files, content in (
        ("[]", None),
        ('["config.ini"]', None),
        ('["config.ini"]', b"Qvjsecret = 1\n"),
        ('["config.ini"]', b"\xff\xfe\x00"),
    ):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        if content is not None:
            (folder / "config.ini").write_bytes(content)
        lab = built(folder, files)
        done = lab.run("--json", "find")
        assert done.code == 0, done.said
        why = {each["place"]: each["why"] for each in done.json["not_looked_at"]}["config.ini"]
        assert ("settings_files" in why) == (files == "[]")
        assert "Qvjsecret" not in done.said
        assert not [each for each in done.json["settings"] if "." in each["name"]]
        lab.close()
