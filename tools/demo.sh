#!/bin/bash
# demo.sh [containers|processes]: the first pod, running until Ctrl-C or SIGTERM; nothing of it is left then.
#
#   containers   compose/first-pod on the engine that answers; the images are built first
#   processes    the same application and the same parts as processes of this machine, from .venv
#
# Without an argument: containers where an engine with compose answers, else processes. HTTPS_PORT, TOPZ_PORT and
# ADMIN_PORT (and for the processes APP_PORT and TOPZ_ADMIN_PORT) choose other ports than 8443, 8081, 9101, 8080 and 9103.
set -euo pipefail
cd "$(dirname "$0")/.."

export HTTPS_PORT=${HTTPS_PORT:-8443} TOPZ_PORT=${TOPZ_PORT:-8081} ADMIN_PORT=${ADMIN_PORT:-9101}
app_port=${APP_PORT:-8080} topz_admin_port=${TOPZ_ADMIN_PORT:-9103}
scratch=$(mktemp -d)
children=()

say() { echo "$*" >&2; }

guide() {
  cat <<TEXT

  https://localhost:$HTTPS_PORT/          the application, a plain HTTP server, over HTTPS (the certificate is self-signed)
  http://localhost:$TOPZ_PORT/topz        what runs in the pod
  http://localhost:$ADMIN_PORT/          the sidecar's admin port: health, metrics, settings, certificates

  curl -k https://localhost:$HTTPS_PORT/           Ctrl-C ends it all.

TEXT
}

compose() { docker compose -f compose/first-pod/compose.yaml "$@"; }

engine() {
  local settings
  settings=$(tools/engine.sh env 2>/dev/null) && eval "$settings"
  docker compose version >/dev/null 2>&1 && docker version >/dev/null 2>&1
}

containers() {
  tools/standin.sh python:3.13-slim-trixie
  say "building the images"
  docker build -q -t podparts/base images/base >/dev/null
  trap 'compose down --timeout 5 2>/dev/null; rm -rf "$scratch"' EXIT
  compose up --build --quiet-pull --wait
  guide
  compose logs --follow --no-log-prefix --since 0s &
  wait $!
}

# spawn NAME COMMAND...: a child that ends with this script; its log goes to the scratch folder, its input stays silent.
spawn() {
  local name=$1
  shift
  "$@" >"$scratch/$name.log" 2>&1 <&9 &
  children+=($!)
}

end() {
  local pid
  for pid in "${children[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$scratch"
}

# until_ready NAME PID COMMAND...: asks again and again until the command succeeds, as long as the child lives.
until_ready() {
  local name=$1 pid=$2 tries=0
  shift 2
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt 300 ] || ! kill -0 "$pid" 2>/dev/null; then
      say "$name did not become ready; its log:"
      cat "$scratch/$name.log" >&2
      exit 1
    fi
    sleep 0.1
  done
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

refuse_used_ports() {
  local name
  for name in HTTPS_PORT TOPZ_PORT ADMIN_PORT app_port topz_admin_port; do
    if listens "${!name}"; then say "port ${!name} is in use: choose another by ${name^^}"; exit 1; fi
  done
}

processes() {
  local part
  for part in https-sidecar topz; do
    if [ ! -x ".venv/bin/$part" ]; then say "$part is not installed: make setup"; exit 1; fi
  done
  refuse_used_ports
  trap end EXIT
  mkfifo "$scratch/input"
  exec 9<>"$scratch/input"      # pydoc ends when its standard input does: this one never does
  spawn app .venv/bin/python -m pydoc -n 127.0.0.1 -p "$app_port"
  until_ready app "${children[0]}" listens "$app_port"

  # Each part gets the environment that it would have in a container, nothing of this shell.
  local sidecar=(env -i UPSTREAM="127.0.0.1:$app_port" LISTEN="127.0.0.1:$HTTPS_PORT" SELF_SIGNED=localhost
    ADMIN_LISTEN="127.0.0.1:$ADMIN_PORT" SHUTDOWN_DELAY=0s LOG_FORMAT=text .venv/bin/https-sidecar)
  local topz=(env -i LISTEN="127.0.0.1:$TOPZ_PORT" ADMIN_LISTEN="127.0.0.1:$topz_admin_port" SHUTDOWN_DELAY=0s
    LOG_FORMAT=text .venv/bin/topz)
  spawn https-sidecar "${sidecar[@]}"
  spawn topz "${topz[@]}"
  until_ready https-sidecar "${children[1]}" "${sidecar[@]}" --health
  until_ready topz "${children[2]}" "${topz[@]}" --health
  say "no container engine in reach: the same parts run as processes"
  guide
  wait -n "${children[@]}" || true
  say "one of the processes ended; their last words:"
  tail -n 5 "$scratch"/*.log >&2
  exit 1
}

trap 'exit 0' INT TERM
trap 'rm -rf "$scratch"' EXIT
case ${1:-} in
'') if engine; then containers; else processes; fi ;;
containers) engine || { say "no engine with compose answers: tools/engine.sh start"; exit 1; }; containers ;;
processes) processes ;;
*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2 ;;
esac
