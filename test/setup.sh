#!/usr/bin/env bash
# Installs what the tests talk to: browsers, XMPP clients, another WebRTC library and the
# tools for network namespaces. Does nothing when all of it is there. Debian or a relative
# of it; needs root (or sudo) only when something is missing.
set -euo pipefail

# A line each: the package, and the command that proves it is there.
wanted() {
  cat <<'LIST'
chromium|command -v chromium
firefox-esr|command -v firefox-esr
python3-slixmpp|/usr/bin/python3 -c 'import slixmpp'
python3-aiortc|/usr/bin/python3 -c 'import aiortc'
python3-pyte|/usr/bin/python3 -c 'import pyte'
profanity-light|command -v profanity
nftables|command -v nft || test -x /usr/sbin/nft
git|command -v git
openssl|command -v openssl
iproute2|command -v ip || test -x /usr/sbin/ip
nodejs|command -v node
npm|command -v npm
LIST
}

missing() {
  wanted | while IFS='|' read -r package proof; do
    bash -c "$proof" >/dev/null 2>&1 </dev/null || echo "$package"
  done
}

packages=$(missing)
[ -n "$packages" ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "missing: ${packages//$'\n'/ }; run this as root, or install them" >&2; exit 1; }
  as_root=(sudo)
fi
command -v apt-get >/dev/null || { echo "missing: ${packages//$'\n'/ }; without apt-get you have to install them yourself" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q
# shellcheck disable=SC2086 # a word per package
"${as_root[@]}" apt-get install -y -q --no-install-recommends $packages

packages=$(missing)
[ -z "$packages" ] || { echo "still missing after the installation: ${packages//$'\n'/ }" >&2; exit 1; }
