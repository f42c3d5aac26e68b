"""Logs found in the servers' own configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from reticent.errors import ConfigurationError
from reticent.stores.logs.discover import discover
from reticent.stores.logs.sources import LogSource


def test_apache_logs_formats_includes_and_pipes_are_found(tmp_path: Path) -> None:
    (tmp_path / "envvars").write_text("export APACHE_LOG_DIR=/var/log/apache2$SUFFIX\n")
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "opac.conf").write_text(
        '<VirtualHost *:80>\n CustomLog "|/usr/bin/rotatelogs -l ${APACHE_LOG_DIR}/opac.%Y-%m-%d.log 86400" mine\n'
        ' CustomLog "|$/usr/bin/reticent filter --format combined >> /x" combined\n'
        " CustomLog syslog:local1 combined\n ForensicLog /var/log/forensic\n</VirtualHost>\n"
    )
    conf = tmp_path / "apache2.conf"
    conf.write_text(
        f'ServerRoot "{tmp_path}"\nDefine NAME all\nErrorLog ${{APACHE_LOG_DIR}}/error.log\n'
        'LogFormat "%h %{X-Card}i %t \\"%r\\" \\\n  %>s" mine\nCustomLog logs/${NAME}.log combined env=!dontlog\n'
        "IncludeOptional sites/*.conf\n"
    )
    found = discover("apache", conf, system="web")
    by_path = {source.paths[0]: source for source in found.sources}
    assert set(by_path) == {
        "/var/log/apache2/error.log*",
        f"{tmp_path}/logs/all.log*",
        "/var/log/apache2/opac.*-*-*.log*",
    }
    mine = by_path["/var/log/apache2/opac.*-*-*.log*"].compiled()
    assert mine is not None
    assert mine.undeclared == ("%{X-Card}i",)
    assert by_path["/var/log/apache2/error.log*"].format == "apache-error"
    assert len(found.not_looked_at) == 3


def test_nginx_logs_and_formats_are_found(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "x.conf").write_text(
        "server { access_log /var/log/nginx/$host.log mine; # not 'this'\n location / { access_log off; } }\n"
    )
    conf = tmp_path / "nginx.conf"
    conf.write_text(
        'error_log logs/error.log debug;\nhttp { log_format mine \'$remote_addr "$request" \'\n  "$status";\n'
        " access_log logs/a.log; access_log syslog:server=[::1]:514 mine; include conf.d/*.conf; }\n"
    )
    found = discover("nginx", conf, system="web")
    formats = {source.paths[0]: source.format for source in found.sources}
    assert formats["/var/log/nginx/*.log*"] == 'nginx: $remote_addr "$request" $status'
    assert formats[f"{tmp_path}/logs/a.log*"].startswith("nginx: $remote_addr - $remote_user")
    assert formats[f"{tmp_path}/logs/error.log*"] == "nginx-error"
    assert [one.value for one in found.settings] == ["debug"]
    assert len(found.not_looked_at) == 1


def test_the_ezproxy_bundle_and_its_telling_settings_are_found(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text(
        "LogSPU -strftime spu%Y%m%d.log %{%Y-%m-%d}t\\t%h\\t%U\nAuditPurge 720\n"
    )
    conf = tmp_path / "config.txt"
    conf.write_text(
        'LogFormat %h %{ezproxy-session}i %u %t "%r" %s %b\nLogFile -strftime ezp%Y%m.log\nOption LogUser\nAudit Most\nIncludeFile more.txt\n# LogFile x\n'
    )
    found = discover("ezproxy", conf, system="proxy")
    assert [(one.name, one.paths[0]) for one in found.sources] == [
        ("access", f"{tmp_path}/ezp*.log*"), ("spu", f"{tmp_path}/spu*.log*"), ("audit", f"{tmp_path}/audit/*.txt*"),
    ]  # fmt: skip
    assert {one.bundle for one in found.sources} == {"proxy"}
    assert {one.name: one.value for one in found.settings} == {"AuditPurge": "720", "Option LogUser": "on"}
    assert all(
        isinstance(one, LogSource) and (one.format == "tsv" or one.compiled()) for one in found.sources
    )


def test_a_configuration_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        discover("apache", tmp_path / "none", system="web")
    with pytest.raises(ConfigurationError, match="iis"):
        discover("iis", tmp_path, system="web")
