#!/bin/bash
# engine.sh start|stop|status|env: a container engine with compose and BuildKit, also where none runs.
#
#   start   Uses the engine that answers. Where it lacks compose or buildx, these two are unpacked from Debian's packages.
#           Where none answers, and on Debian as root, an engine is unpacked too and started: 365 MB in $ENGINE_DIR
#           (/var/tmp/podparts-engine), of which nothing but iptables is installed on the machine itself.
#   env     Prints what a shell must export to use it: eval "$(tools/engine.sh env)"
#   status  Says which engine is used; 1 if none.
#   stop    Ends the engine that start started, with its containers. Images and build cache stay for the next start.
#
# The engine is trixie's: the first Debian with compose v2 and buildx. It asks for glibc 2.34 only, so it runs on Debian 12 as
# well; runc and iptables must match the machine's own libraries and come from its own release.
set -euo pipefail

dir=${ENGINE_DIR:-/var/tmp/podparts-engine}
socket=$dir/docker.sock
packages=(docker.io docker-cli containerd docker-compose docker-buildx)

say() { echo "engine: $*" >&2; }
fail() { say "$*"; exit 1; }

own() { DOCKER_CONFIG=$dir/config DOCKER_HOST=unix://$socket "$dir/bin/docker" "$@"; }
answers() { command -v docker >/dev/null && docker version >/dev/null 2>&1; }
complete() { docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; }
own_answers() { [ -S "$socket" ] && own version >/dev/null 2>&1; }

# Debian's archive as this machine reaches it: the mirror (and proxy) of its own apt configuration.
mirror() {
  # shellcheck disable=SC2016  # apt-get fills these in
  apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' | awk '$2 == "main" && $1 !~ /security/ {print $1; exit}'
}

# apt-get with lists and caches apart from the machine's: works without root and changes nothing outside $dir.
trixie() {
  apt-get -qq -o Dir::Etc::sourcelist="$dir/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o APT::Sandbox::User=root "$@"
}

unpack() {
  [ -e "$dir/unpacked" ] && return
  command -v apt-get dpkg >/dev/null || fail "no apt here: install an engine with compose and buildx by this system's own means"
  say "unpacking Debian's ${packages[*]} into $dir"
  mkdir -p "$dir"/apt/{lists,archives}/partial "$dir/tree" "$dir/bin" "$dir/config/cli-plugins"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) trixie main" >"$dir/apt/sources.list"
  trixie update
  (cd "$dir/apt" && trixie download "${packages[@]}")
  local deb
  for deb in "$dir"/apt/*.deb; do dpkg -x "$deb" "$dir/tree"; done
  rm "$dir"/apt/*.deb
  ln -sf "$dir/tree/usr/bin/docker" "$dir/bin/docker"
  ln -sf "$dir"/tree/usr/libexec/docker/cli-plugins/* "$dir/config/cli-plugins/"
  touch "$dir/unpacked"
}

# What must fit this machine's libraries, from its own release: runc is only unpacked, iptables has parts of its own to install.
unpack_runc() {
  command -v runc >/dev/null && return
  [ -x "$dir/tree/usr/sbin/runc" ] && return
  (cd "$dir/apt" && { apt-get -qq -o APT::Sandbox::User=root download runc 2>/dev/null ||
    { apt-get -qq update && apt-get -qq -o APT::Sandbox::User=root download runc; }; } && dpkg -x runc_*.deb "$dir/tree" && rm runc_*.deb)
}

install_iptables() {
  command -v iptables >/dev/null && return
  say "installing iptables, which the engine's networks need"
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends iptables >/dev/null
}

# Without CAP_SYS_RESOURCE (an engine inside a sandbox) no process may lower its oom_score_adj, and runc fails on the negative
# one that Kubernetes asks for its own containers: "can't get final child's PID from pipe: EOF". There it is left at 0.
configure() {
  local runtime='' capabilities
  capabilities=$(awk '/^CapEff/ {print $2}' /proc/self/status)
  if (((0x$capabilities >> 24 & 1) == 0)); then
    cat >"$dir/bin/runc-plain-oom" <<'WRAPPER'
#!/bin/sh
previous=
for word; do
  [ "$previous" = --bundle ] && sed -i 's/"oomScoreAdj":-[0-9]*/"oomScoreAdj":0/' "$word/config.json"
  previous=$word
done
exec runc "$@"
WRAPPER
    chmod +x "$dir/bin/runc-plain-oom"
    runtime="\"runtimes\": {\"plain-oom\": {\"path\": \"$dir/bin/runc-plain-oom\"}}, \"default-runtime\": \"plain-oom\","
  fi
  echo "{$runtime \"log-opts\": {\"max-size\": \"10m\"}}" >"$dir/daemon.json"
}

await() {
  local pid=$1 n=0
  until own version >/dev/null 2>&1; do
    n=$((n + 1))
    if [ $n -gt 300 ] || ! kill -0 "$pid" 2>/dev/null; then
      tail -n 5 "$dir/log" >&2
      fail "dockerd did not start; its log is $dir/log"
    fi
    sleep 0.1
  done
}

launch() {
  [ "$(id -u)" = 0 ] || fail "no engine answers, and only root can start one: sudo tools/engine.sh start"
  unpack
  unpack_runc
  install_iptables
  configure
  mkdir -p "$dir/data" "$dir/run"
  rm -f "$dir/pid"
  # Its own containerd, shim and proxy come first on dockerd's PATH: no mixture with an installed containerd.
  PATH=$dir/tree/usr/bin:$dir/tree/usr/sbin:$PATH setsid dockerd --config-file "$dir/daemon.json" --data-root "$dir/data" \
    --exec-root "$dir/run" --pidfile "$dir/pid" -H "unix://$socket" >"$dir/log" 2>&1 </dev/null 9>&- &
  await $!
  say "dockerd $(own version -f '{{.Server.Version}}') runs"
}

start() {
  if answers; then
    complete && { say "using the engine that runs"; return; }
    unpack
    say "using the engine that runs, with compose and buildx from $dir"
    return
  fi
  mkdir -p "$dir"
  exec 9>"$dir/lock"
  flock 9                                     # two starts at once: the second finds what the first made
  own_answers && { say "already started"; return; }
  launch
}

stop() {
  own_answers || { say "none to stop"; return; }
  local pid n=0
  pid=$(cat "$dir/pid")
  own ps -q | xargs -r env DOCKER_HOST="unix://$socket" "$dir/bin/docker" rm -f >/dev/null
  kill "$pid"
  while kill -0 "$pid" 2>/dev/null; do
    n=$((n + 1))
    [ $n -le 300 ] || fail "dockerd $pid does not end"
    sleep 0.1
  done
  awk -v below="$dir/" 'index($2, below) == 1 {print $2}' /proc/mounts | sort -r | xargs -r -n 1 umount || true
  say "stopped"
}

status() {
  if answers; then docker version -f 'engine {{.Server.Version}}, client {{.Client.Version}}'
  elif own_answers; then own version -f "engine {{.Server.Version}} of $dir"
  else say "none answers"; return 1; fi
}

environment() {
  if answers && complete; then return; fi
  if ! answers; then
    own_answers || { say "none answers: tools/engine.sh start"; return 1; }
    echo "export DOCKER_HOST=unix://$socket"
  fi
  echo "export DOCKER_CONFIG=$dir/config PATH=$dir/bin:\$PATH"
}

case ${1:-} in
start) start ;;
stop) stop ;;
status) status ;;
env) environment ;;
*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2 ;;
esac
