#!/usr/bin/env bash
# get-grpc-peers.sh grpc-js | python | python-consul
# Makes a program available that is not ours, for the tests that talk to one, and prints where it is: for grpc-js the
# node_modules folder it is in (a value for NODE_PATH), for python the interpreter that can import grpc, for python-consul
# the one that can import consul.
#
# grpc-js comes from the npm registry this machine is set up for, in exactly the versions, and with the checksums, of the lock
# file beside the peers; it goes into the user's cache. python3-grpcio and python3-consul are packages of Debian's and are
# installed only when that can be done without asking: by root, with apt-get.
#
# Exit codes: 0 printed; 3 cannot be had here, the last line of stderr is "skip: reason"; 1 something is wrong.
set -euo pipefail

readonly what=${1:-}
readonly here=$(cd "$(dirname "$0")" && pwd)
readonly peers="$here/MeshClient.FunctionalTests/Grpc/Peers"
readonly cache="${XDG_CACHE_HOME:-$HOME/.cache}/meshclient-peers"
readonly python=/usr/bin/python3
leftover=
trap 'rm -rf "$leftover"' EXIT

skip() { echo "skip: $1" >&2; exit 3; }
need() { command -v "$1" >/dev/null || skip "$1 is not on this machine"; }
# The last line that says something, without addresses.
why() { grep -E "$1" "$2" | tail -n 1 | sed -E 's#[a-z+]+://[^ ]+#(address)#g' || true; }

lock() {
  need flock
  mkdir -p "$cache"
  exec 8>"$cache/$1.lock"
  flock -w 300 8 || skip "another process has been fetching $1 for five minutes"
}

has_grpc_js() { [[ -f $home/lock.sha256 ]] && sha256sum --check --status "$home/lock.sha256" <"$peers/package-lock.json"; }

get_grpc_js() {
  local home="$cache/grpc-js" work
  need node
  need sha256sum
  if ! has_grpc_js; then
    need npm
    lock grpc-js
    if ! has_grpc_js; then
      rm -rf "$home"
      work=$(mktemp -d "$cache/grpc-js.XXXXXX")
      leftover=$work
      cp "$peers/package.json" "$peers/package-lock.json" "$work"
      # No scripts: nothing of what is installed needs one, and none should run.
      (cd "$work" && timeout 240 npm ci --ignore-scripts --no-audit --no-fund) >"$work/npm.log" 2>&1 ||
        skip "npm cannot install @grpc/grpc-js: $(why '^npm (error|ERR!) code' "$work/npm.log")"
      sha256sum <"$work/package-lock.json" >"$work/lock.sha256"
      mv "$work" "$home"
    fi
  fi
  echo "$home/node_modules"
}

has_python() { "$python" -c "import $1" 2>/dev/null; }

# get_python MODULE PACKAGE
get_python() {
  local log
  if ! has_python "$1"; then
    [[ -x $python ]] || skip "$python is not on this machine"
    [[ $(id -u) -eq 0 ]] || skip "$2 is not installed, and only root can install it"
    need apt-get
    lock "$2"
    log=$(mktemp)
    leftover=$log
    if ! has_python "$1"; then
      install "$2" >"$log" 2>&1 || { apt_get update && install "$2"; } >"$log" 2>&1 ||
        skip "$2 cannot be installed: $(why '^[EW]: ' "$log")"
      has_python "$1" || { echo "error: $2 is installed, and $python cannot import $1" >&2; exit 1; }
    fi
  fi
  echo "$python"
}

# Without the inherited lock: what apt starts could outlive this script.
apt_get() { timeout 280 env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@" 8>&-; }
install() { apt_get install -y --no-install-recommends "$1"; }

case $what in
  grpc-js) get_grpc_js ;;
  python) get_python grpc python3-grpcio ;;
  python-consul) get_python consul python3-consul ;;
  *) echo "usage: get-grpc-peers.sh grpc-js | python | python-consul" >&2; exit 1 ;;
esac
