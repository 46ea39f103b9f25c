#!/bin/bash
# lock.sh: pins what the images and the developer's environment are made of, by version and hash.
#
#   images/base/requirements.txt            run-time wheels of the base image, from its pyproject.toml
#   images/base/assembly/requirements.txt   what builds the packages, from the same file's build-system
#   images/<part>/requirements.txt          the wheels a part adds to them, from its pyproject.toml
#   tests/requirements.txt                  the developer's environment: all of the above and tests/requirements.in
#
# One lock serves Python 3.11 to 3.13, and names no index: whoever installs chooses that. Versions already in a lock are
# kept; tools/lock.sh --upgrade takes the newest ones. The version of a package is the same in all of them.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=${UV:-.venv/bin/uv}
[ -x "$uv" ] || { .venv/bin/python -m pip install -q uv==0.13.8; uv=.venv/bin/uv; }

# The packages that a pyproject.toml asks for, without podparts: that is here, and a stranger's could bear its name elsewhere.
asked() {
  .venv/bin/python - "$@" <<'PYTHON'
import sys, tomllib
for path in sys.argv[2:]:
    with open(path, "rb") as file:
        document = tomllib.load(file)
    section, key = sys.argv[1].split(".")
    print("\n".join(name for name in document[section][key] if name != "podparts"))
PYTHON
}

# compile OUT [OPTION...] <requirements
compile() {
  local out=$1
  shift
  echo "lock: $out" >&2
  "$uv" pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
    --annotation-style=line --custom-compile-command tools/lock.sh -o "$out" "$@" - >/dev/null
  printf '%s\n' "# Made by tools/lock.sh." "$(cat "$out")" >"$out.new"
  mv "$out.new" "$out"
}

upgrade=("$@")
everything=tests/requirements.txt
{
  asked project.dependencies images/*/pyproject.toml
  asked build-system.requires images/base/pyproject.toml
  cat tests/requirements.in
} | compile "$everything" "${upgrade[@]}"

asked project.dependencies images/base/pyproject.toml | compile images/base/requirements.txt -c "$everything"
asked build-system.requires images/base/pyproject.toml | compile images/base/assembly/requirements.txt -c "$everything"

mapfile -t base < <(sed -n 's/^\([A-Za-z0-9._-]*\)==.*/--no-emit-package=\1/p' images/base/requirements.txt)
for part in images/*/; do
  [ "$part" = images/base/ ] && continue
  asked project.dependencies "$part/pyproject.toml" | compile "${part}requirements.txt" -c "$everything" "${base[@]}"
done
