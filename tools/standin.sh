#!/bin/bash
# standin.sh [IMAGE...]: makes what the Dockerfiles start FROM, on a machine that can reach no registry.
#
# An image that the engine has, or that a registry can give, is left alone: this script then does nothing. Otherwise it makes
# one from Debian's packages (as root, with mmdebstrap) and tags it with the name of the real one:
#
#   python:3.13-slim-trixie   Debian's python3, which is the same version, with venv, headers and a compiler
#   debian:trixie-slim        Debian's minimal system
#
# A stand-in is for building and testing here, never for publishing: the Python one carries this machine's CA bundle and pip
# settings, so that pip reaches its index from a build as it does from a shell. They stand apart from Debian's own CA bundle,
# which is the one that goes into the images built from it.
set -euo pipefail

suite=trixie
build_ca=/etc/ssl/build-ca.crt
declare -A packages=(
  [python:3.13-slim-trixie]='python3,python3-venv,python3-dev,gcc,libc6-dev,ca-certificates'
  [debian:trixie-slim]='base-files'
)

say() { echo "standin: $*" >&2; }
fail() { say "$*"; exit 1; }

mirror() {
  # shellcheck disable=SC2016  # apt-get fills these in
  apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' | awk '$2 == "main" && $1 !~ /security/ {print $1; exit}'
}

in_reach() { timeout 20 docker manifest inspect "$1" >/dev/null 2>&1; }

need_mmdebstrap() {
  command -v mmdebstrap >/dev/null && return
  [ "$(id -u)" = 0 ] || fail "no registry in reach, and a stand-in needs root: sudo tools/standin.sh"
  say "installing mmdebstrap"
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends mmdebstrap >/dev/null
}

pip_settings() {
  local index
  index=$(python3 -m pip config get global.index-url 2>/dev/null || true)
  printf '[global]\n%s\n' "${index:+index-url = $index}"
}

# The tree of a minimal Debian as tar, without what the official slim images leave out.
tree() {
  local include=$1
  shift
  mmdebstrap --quiet --variant=minbase --include="$include" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$@" "$suite" - "$(mirror)"
}

python_image() {
  local scratch
  scratch=$(mktemp -d)
  # shellcheck disable=SC2064  # the folder of now, not of then
  trap "rm -rf '$scratch'" RETURN
  pip_settings >"$scratch/pip.conf"
  # The same file under the one name whichever variable this machine uses for it.
  cp "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$scratch/ca.crt"
  # shellcheck disable=SC2016  # $1 is the tree, which mmdebstrap fills in
  tree "$2" --customize-hook="upload $scratch/ca.crt $build_ca" --customize-hook="upload $scratch/pip.conf /etc/pip.conf" \
    --customize-hook='ln -sf python3 "$1/usr/bin/python"' |
    docker import -c 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' \
      -c "ENV SSL_CERT_FILE=$build_ca PIP_CERT=$build_ca" -c 'CMD ["python3"]' - "$1" >/dev/null
}

debian_image() {
  tree "$2" | docker import -c 'CMD ["bash"]' - "$1" >/dev/null
}

make() {
  local image=$1
  [ -n "${packages[$image]:-}" ] || fail "no stand-in for $image: expected one of ${!packages[*]}"
  need_mmdebstrap
  say "no registry in reach: making $image from Debian's packages"
  "${image%%:*}_image" "$image" "${packages[$image]}"
}

docker version >/dev/null 2>&1 || fail "no engine answers: tools/engine.sh start; eval \"\$(tools/engine.sh env)\""
[ $# -gt 0 ] || set -- "${!packages[@]}"
for image; do
  docker image inspect "$image" >/dev/null 2>&1 || in_reach "$image" || make "$image"
done
