#!/usr/bin/env bash
# get-databases.sh postgresql | redis
# Makes a real database available for the tests that carry one over the mesh, and prints the folder its programs are in.
#
# Both are packages of Debian's. A machine that has them uses its own; elsewhere they are installed only when that can be done
# without asking: by root, with apt-get. No database of the machine's own is made or started: the tests run theirs in temporary
# folders.
#
# Exit codes: 0 printed; 3 cannot be had here, the last line of stderr is "skip: reason"; 1 something is wrong.
set -euo pipefail

readonly what=${1:-}
readonly cache="${XDG_CACHE_HOME:-$HOME/.cache}/meshclient-peers"
log=
trap 'rm -f "$log"' EXIT

skip() { echo "skip: $1" >&2; exit 3; }
# The last line that says something, without addresses.
why() { grep -E '^[EW]: ' "$log" | tail -n 1 | sed -E 's#[a-z+]+://[^ ]+#(address)#g' || true; }

# find PROGRAM: the folder it is in; where there are several versions, the newest.
find_program() {
  local path
  path=$(command -v "$1" || true)
  [[ -n $path ]] || path=$(find /usr/lib/postgresql -path "*/bin/$1" 2>/dev/null | sort -V | tail -n 1 || true)
  [[ -n $path ]] && dirname "$(readlink -f "$path")"
}

# Without the inherited lock: what apt starts could outlive this script.
apt_get() { timeout 280 env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@" 8>&-; }
install() { apt_get install -y --no-install-recommends "$1"; }

# get PROGRAM PACKAGE
get() {
  find_program "$1" && return
  [[ $(id -u) -eq 0 ]] || skip "$2 is not installed, and only root can install it"
  command -v apt-get >/dev/null || skip "$2 is not installed, and there is no apt-get"
  mkdir -p "$cache"
  exec 8>"$cache/$2.lock"
  flock -w 300 8 || skip "another process has been installing $2 for five minutes"
  find_program "$1" && return
  log=$(mktemp)
  if [[ $2 == postgresql && ! -e /etc/postgresql-common ]]; then
    # Read when the package is installed, which would make and start a database of its own otherwise.
    mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
  fi
  install "$2" >"$log" 2>&1 || { apt_get update && install "$2"; } >"$log" 2>&1 || skip "$2 cannot be installed: $(why)"
  find_program "$1" || { echo "error: $2 is installed, and there is no $1" >&2; exit 1; }
}

case $what in
  postgresql) get initdb postgresql ;;
  redis) get redis-server redis-server ;;
  *) echo "usage: get-databases.sh postgresql | redis" >&2; exit 1 ;;
esac
