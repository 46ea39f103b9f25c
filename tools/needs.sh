#!/bin/bash
# needs.sh: installs the programs that the tests run against (servers, load generators, a browser, clients) from Debian's
# packages, as root. Nothing is started: the tests start what they need, on free ports, and stop it.
set -euo pipefail

packages=(nginx-light haproxy redis-server apache2-utils wrk prometheus curl openssl chromium chromium-driver
  mmdebstrap iproute2 iptables procps util-linux shellcheck git)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} = 0 ] && exit 0

[ "$(id -u)" = 0 ] || { echo "needs: only root can install: sudo tools/needs.sh" >&2; exit 1; }
echo "needs: installing ${missing[*]}" >&2
# Debian starts a server as it installs it; a policy that says no keeps ports and memory free.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
