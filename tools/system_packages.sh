#!/bin/sh
# Makes sure the programs the tests talk to are there: installs them with apt when it may, and says
# exactly what is missing when it may not.
set -eu

missing=""
need() { # package, then any of these commands
    package=$1; shift
    for command in "$@"; do
        if command -v "$command" >/dev/null 2>&1 || ls "$command" >/dev/null 2>&1; then return 0; fi
    done
    missing="$missing $package"
}

need mariadb-server mariadbd /usr/sbin/mariadbd
need postgresql /usr/lib/postgresql/*/bin/postgres
need chromium chromium
need age age
need strace strace
need poppler-utils pdftotext
need acl setfacl
need apache2-bin apache2 /usr/sbin/apache2
need nginx nginx /usr/sbin/nginx
need logrotate logrotate /usr/sbin/logrotate
need openssh-client ssh-keygen
need python3-venv python3 # the module itself is checked below
python3 -c 'import venv, ensurepip' 2>/dev/null || missing="$missing python3-venv"

[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
    exit 0
fi

echo "These programs are missing, and only root may install them. Run:" >&2
echo "    sudo apt-get install --no-install-recommends$missing" >&2
exit 1
