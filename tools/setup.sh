#!/bin/bash
# setup.sh: makes .venv with every part as a console script of its image's name, and the developer's tools.
#
# Takes the first Python of 3.11 to 3.13, or the one that $PYTHON names. What Debian leaves out of python3 (venv, headers, a C compiler)
# is installed with apt where that is possible. Without a compiler the data plane's modules run as plain Python: the same
# files, several times slower. Run again, it does only what changed.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }
fail() { say "$*"; exit 1; }
fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

interpreter() {
  local one
  if [ -n "${PYTHON:-}" ]; then
    fits "$PYTHON" || fail "PYTHON=$PYTHON: expected a Python of 3.11 to 3.13"
    echo "$PYTHON"
    return
  fi
  for one in python3 python3.13 python3.12 python3.11; do
    if fits "$one"; then echo "$one"; return; fi
  done
  fail "no Python of 3.11 to 3.13 found; set PYTHON to one"
}

# install PACKAGE...: Debian packages, if this is Debian and we may.
install() {
  command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || return 1
  say "installing $*"
  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

compiles() {
  local headers
  headers=$("$1" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  command -v cc >/dev/null && [ -e "$headers/Python.h" ] && echo '#include <stdio.h>' | cc -E - >/dev/null 2>&1
}

python=$(interpreter)
version=$(version_of "$python")
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  install "python$version-venv" || fail "$python lacks venv: apt-get install python$version-venv"
fi
if ! compiles "$python" && ! { install gcc libc6-dev "python$version-dev" && compiles "$python"; }; then
  say "no C compiler or no Python headers: the data plane runs uncompiled (apt-get install gcc libc6-dev python$version-dev)"
fi

if ! fits .venv/bin/python || { [ -n "${PYTHON:-}" ] && [ "$(version_of .venv/bin/python)" != "$version" ]; }; then
  rm -rf .venv
  "$python" -m venv .venv
fi
stamp=.venv/requirements.sha256
if ! sha256sum --quiet --check "$stamp" >/dev/null 2>&1; then
  say "installing the developer's environment"
  .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r tests/requirements.txt
  sha256sum tests/requirements.txt > "$stamp"
fi
# The parts are installed in place, so only what is compiled or declared asks for another installation: or a compiler that
# was not there the last time.
could_be_compiled() { compiles "$python" && [ -z "$(find images/base/src -name '*.so' -print -quit)" ]; }
declared() { find images -name pyproject.toml -o -name setup.py -o -path 'images/base/src/*' \( -name '*.py' -o -name '*.pxd' \) | sort; }
stamp=.venv/parts.sha256
sums=$(declared | xargs sha256sum)
if could_be_compiled || [ ! -e "$stamp" ] || [ "$sums" != "$(cat "$stamp")" ]; then
  parts=()
  for folder in images/*/pyproject.toml; do parts+=(-e "${folder%/pyproject.toml}"); done
  say "installing ${parts[*]//-e/}"
  .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation "${parts[@]}"
  echo "$sums" > "$stamp"
fi
