#!/usr/bin/env bash
# Prints the path of a Consul binary for the tests that run against the real thing.
#
# It comes out of the package "consul" of Debian's bullseye, because that is a place whose files are signed and which this
# machine already knows: the archive is that of the machine's own apt sources, only the suite differs.
# apt verifies the signature of the index and, through it, the package; nothing is installed and no root is needed.
#
# Exit codes: 0 path printed; 3 cannot be had here, the last line of stderr is "skip: reason"; 1 something is wrong.
# Addresses of archives are never printed.
set -euo pipefail

readonly suite=bullseye package=consul binary=usr/bin/consul
readonly cache="${XDG_CACHE_HOME:-$HOME/.cache}/meshclient-peers"
readonly home="$cache/$suite-$package" unpacked="$cache/$suite-$package/files"

skip() { echo "skip: $1" >&2; exit 3; }
done_already() { [[ -x $unpacked/$binary ]]; }
finish() { echo "$unpacked/$binary"; exit 0; }

done_already && finish
for tool in apt-get dpkg-deb flock; do
  command -v "$tool" >/dev/null || skip "$tool is not on this machine"
done

mkdir -p "$home"
exec 8>"$cache/$suite-$package.lock"
flock -w 300 8 || skip "another process has been fetching Consul for five minutes"
done_already && finish

# apt itself reads the machine's sources, in whatever notation they are, and says which files it would fetch. The archive is
# what stands before "dists" in the address of the main part of a Debian release (their names hold no dash; the updates' do).
archive=$(
  apt-get update --print-uris 2>/dev/null |
    sed -nE "s#^'([^']*/debian)/dists/[a-z]+/main/binary-[^']*'.*#\1#p" | head -n 1
) || true
[[ -n $archive ]] || skip "this machine has no apt source of Debian"
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[[ -r $keyring ]] || skip "the keyring of the Debian archive is not on this machine"

work=$(mktemp -d "$home/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists/partial,archives/partial,sources,trusted,preferences}
cat > "$work/sources/consul.sources" <<SOURCE
Types: deb
URIs: $archive
Suites: $suite
Components: main
Signed-By: $keyring
SOURCE

apt=(
  -o "Dir::State=$work" -o "Dir::State::Lists=$work/lists" -o Dir::State::status=/dev/null
  -o "Dir::Cache=$work" -o "Dir::Cache::Archives=$work/archives"
  -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$work/sources"
  -o Dir::Etc::Preferences=/dev/null -o "Dir::Etc::PreferencesParts=$work/preferences"
  -o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=2
  -o Acquire::AllowInsecureRepositories=false -o Acquire::AllowWeakRepositories=false
  -o APT::Get::AllowUnauthenticated=false -o APT::Update::Error-Mode=any
)
why() { grep -E '^[EW]: ' "$work/log" | tail -n 1 | sed -E 's#[a-z+]+://[^ ]+#(address)#g'; }

apt-get -q "${apt[@]}" update >"$work/log" 2>&1 || skip "the package index of $suite cannot be had: $(why)"
(cd "$work" && apt-get -q "${apt[@]}" download "$package") >>"$work/log" 2>&1 || skip "the package cannot be had: $(why)"

dpkg-deb -x "$work/$package"_*.deb "$work/files"
[[ -x $work/files/$binary ]] || { echo "error: the package holds no $binary" >&2; exit 1; }
rm -rf "$unpacked"
mv "$work/files" "$unpacked"
finish
