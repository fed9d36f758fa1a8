#!/usr/bin/env bash
# Installs what the lab and the tests need on this machine: Debian packages, and a virtual environment with the pinned
# Python packages in .cache/venv. Asks nothing. A second run does nothing and takes no time.
set -euo pipefail
cd "$(dirname "$0")/.."

needs=(dockerd=docker.io iptables=iptables mmdebstrap=mmdebstrap ssh-keygen=openssh-client git=git make=make)
# `bootstrap.sh machine` installs what a virtual machine needs as well.
[ "${1:-}" != machine ] || needs+=(qemu-system-x86_64=qemu-system-x86 qemu-img=qemu-utils)
debian_keys=/usr/share/keyrings/debian-archive-keyring.gpg
minimum_python='import sys; sys.exit(sys.version_info < (3, 11))'

fail() { printf 'setup: %s\n' "$1" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "root is needed for: $*"
  fi
}

install_packages() {
  command -v apt-get >/dev/null || fail "this platform has no apt-get; the lab runs on Debian 12 or newer and on Ubuntu 24.04 or newer"
  printf -- '-> installing Debian packages: %s ...\n' "$*"
  mkdir -p .cache
  {
    as_root dpkg --configure -a && as_root apt-get update &&
      as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
  } >.cache/apt.log 2>&1 || { tail -n 15 .cache/apt.log >&2; fail "apt-get failed (is the Debian mirror reachable?); whole log: .cache/apt.log"; }
}

missing=()
for need in "${needs[@]}"; do
  PATH="$PATH:/usr/sbin:/sbin" command -v "${need%%=*}" >/dev/null || missing+=("${need#*=}")
done
[ -e "$debian_keys" ] || missing+=(debian-archive-keyring)
[ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"

python=$(command -v python3 || true)
if [ -z "$python" ] || ! "$python" -c "$minimum_python" || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  install_packages python3 python3-venv
  python=/usr/bin/python3
fi
"$python" -c "$minimum_python" || fail "Python 3.11 or newer is needed; this is $("$python" --version 2>&1)"

digest=$({ cat requirements/dev.txt; "$python" -c 'import sys; print(sys.version, sys.base_prefix)'; } | sha256sum | cut -c1-16)
venv=".cache/venv-$digest"
if [ ! -e "$venv/.complete" ]; then
  printf -- '-> installing the pinned Python packages into %s (about two minutes) ...\n' "$venv"
  rm -rf "$venv"
  "$python" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt >.cache/pip.log 2>&1 ||
    { tail -n 15 .cache/pip.log >&2; fail "pip failed (is the Python package index reachable?); whole log: .cache/pip.log"; }
  touch "$venv/.complete"
fi
ln -sfn "$(basename "$venv")" .cache/venv
