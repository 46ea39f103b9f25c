#!/bin/bash
# kube.sh build|up|down|env|load|status: a real single-node Kubernetes, also where no registry can be reached.
#
#   build      Compiles Kubernetes 1.20 from Debian's own source package: API server, controllers, scheduler, kubelet and
#              proxy. Two to four minutes on two cores, once; 185 MB stay in $KUBE_DIR (/var/tmp/podparts-kube).
#   up         Starts it on the Docker engine that answers (tools/engine.sh start), building first where nothing is built.
#   env        Prints what a shell must export to use it: eval "$(tools/kube.sh env)"
#   load IMAGE...  Makes images of the engine known to the cluster.
#   status     Says which cluster is used; 1 if none.
#   down       Ends it and removes what it left: processes, containers, mounts, firewall rules, cgroups.
#
# The cluster that KUBECONFIG names goes first: where it answers, build, up, down and env have nothing to do, and load knows
# kind, k3d and minikube. ~/.kube/config is never looked at: nobody's cluster is used because it happens to be configured.
#
# Why 1.20: it is the last whole Kubernetes in Debian (bookworm; later source packages hold the client only), and it can run
# pods on a Docker engine by itself. What it is too old for: native sidecars (1.29), in-place resize, Pod Security admission.
# There is no cluster DNS: tests speak to addresses. The tunables that kubelet sets on the machine are put back by down.
set -euo pipefail

dir=${KUBE_DIR:-/var/tmp/podparts-kube}
port=${KUBE_PORT:-16443}
release=1.20.2
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
run=$dir/run                                  # one life of the cluster: its certificates, data, logs, process ids
programs=$dir/libexec
source=$dir/gopath/src/k8s.io/kubernetes
node=podparts
pause=podparts/pause:$release
services=10.96.0.0/16
etcd_port=$((port + 1))
components=(etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)
# What kubelet and kube-proxy change of the machine's settings as they start.
tunables=(vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys
  kernel/keys/root_maxbytes net/ipv4/conf/all/route_localnet net/bridge/bridge-nf-call-iptables)
# Where kubelet writes whatever its own directory is.
fixed_places=(/var/log/pods /var/log/containers /var/lib/kubelet)

say() { echo "kube: $*" >&2; }
fail() { say "$*"; exit 1; }

own() { "$dir/bin/kubectl" --kubeconfig "$run/kubeconfig" --request-timeout 5s "$@"; }
own_answers() { [ -f "$run/kubeconfig" ] && [ "$(own get --raw /readyz 2>/dev/null)" = ok ]; }

# The cluster of the user's own KUBECONFIG, unless that is the one made here.
theirs() {
  [ -n "${KUBECONFIG:-}" ] && [ "$KUBECONFIG" != "$run/kubeconfig" ] && command -v kubectl >/dev/null &&
    [ "$(kubectl --request-timeout 5s get --raw /readyz 2>/dev/null)" = ok ]
}

# --- build

# Debian's archive as this machine reaches it: the mirror (and proxy) of its own apt configuration.
mirror() {
  # shellcheck disable=SC2016  # apt-get fills these in
  apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' | awk '$2 == "main" && $1 !~ /security/ {print $1; exit}'
}

# apt-get with lists and caches apart from the machine's: nothing is installed, packages are only unpacked.
archive() {
  apt-get -qq -o Dir::Etc::sourcelist="$dir/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o APT::Sandbox::User=root "$@"
}

download() {
  command -v apt-get dpkg >/dev/null || fail "no apt here: name another cluster in KUBECONFIG (kind and k3d serve well)"
  local from signed='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
  from=$(mirror)
  [ -n "$from" ] || fail "apt names no Debian mirror on this machine: name another cluster in KUBECONFIG"
  say "downloading Kubernetes' source, Go and etcd from Debian"
  mkdir -p "$dir"/apt/{lists,archives}/partial "$dir/bin" "$programs"
  printf '%s\n' "deb $signed $from bookworm main" "deb-src $signed $from bookworm main" "deb $signed $from trixie main" \
    >"$dir/apt/sources.list"
  archive update
  cd "$dir/apt"
  archive download golang-1.19-go/bookworm golang-1.19-src/bookworm etcd-server/bookworm kubectl/trixie
  archive source --download-only kubernetes/bookworm
}

unpack() {
  rm -rf "$dir/tree" "$source"
  mkdir -p "$dir/tree" "$source"
  cd "$dir/apt"
  local deb
  for deb in *.deb; do dpkg -x "$deb" "$dir/tree"; done
  tar -xzf kubernetes_*.orig.tar.gz --strip-components 1 -C "$source"
  mkdir -p "$source/cmd/podparts" "$dir/gopath/src/podparts/pause"
  cp "$tools/kube/kubernetes/main.go" "$source/cmd/podparts/"
  cp "$tools/kube/pause/main.go" "$dir/gopath/src/podparts/pause/"
  mv "$dir/tree/usr/bin/kubectl" "$dir/bin/"
  mv "$dir/tree/usr/bin/etcd" "$programs/"
}

golang() {
  env -u GOFLAGS PATH="$dir/tree/usr/lib/go-1.19/bin:$PATH" GOROOT="$dir/tree/usr/lib/go-1.19" GOPATH="$dir/gopath" \
    GOCACHE="$dir/gocache" GO111MODULE=off GOTOOLCHAIN=local CGO_ENABLED=0 nice go "$@"
}

# The one generated file that the source package leaves out: the schema that the API server publishes and apply needs.
generate() {
  local inputs
  inputs=$(grep -rl --include='*.go' '+k8s:openapi-gen=true' pkg staging/src | xargs -n 1 dirname | sort -u |
    sed -e '/sample-\|code-generator/d' -e 's#^staging/src/#k8s.io/kubernetes/vendor/#' -e t -e 's#^#k8s.io/kubernetes/#' | paste -sd,)
  golang run ./vendor/k8s.io/kube-openapi/cmd/openapi-gen --go-header-file hack/boilerplate/boilerplate.generatego.txt \
    --output-file-base zz_generated.openapi --output-package k8s.io/kubernetes/pkg/generated/openapi \
    --report-filename "$dir/apt/report" --input-dirs "$inputs"
}

# providerless leaves out the clients of five clouds: a third of the code.
compile() {
  local version=k8s.io/kubernetes/vendor/k8s.io/component-base/version
  golang build -tags providerless -o "$programs/kubernetes.new" \
    -ldflags "-s -w -X $version.gitVersion=v$release -X $version.gitMajor=1 -X $version.gitMinor=20" ./cmd/podparts
  golang build -ldflags '-s -w' -o "$programs/pause" podparts/pause
}

built() { [ -x "$programs/kubernetes" ]; }

build() {
  theirs && { say "using the cluster of KUBECONFIG: nothing to build"; return; }
  built && return
  mkdir -p "$dir"
  exec 8>"$dir/build.lock"
  flock 8                                     # two builds at once: the second finds what the first made
  built && return
  local began=$SECONDS component
  download
  unpack
  cd "$source"
  say "compiling Kubernetes $release: two to four minutes on two cores; log: $dir/build.log"
  { generate && compile; } >"$dir/build.log" 2>&1 || { tail -n 20 "$dir/build.log" >&2; fail "did not compile; log: $dir/build.log"; }
  for component in "${components[@]:1}"; do ln -sf kubernetes "$programs/$component"; done
  mv "$programs/kubernetes.new" "$programs/kubernetes"
  cd "$dir"
  rm -rf apt tree gopath gocache
  say "built in $((SECONDS - began)) s"
}

# --- up

# Where the engine is: kubelet speaks to its socket, and shares this machine's mounts and cgroups with it.
engine_socket() { echo "${DOCKER_HOST:-$(docker context inspect -f '{{.Endpoints.docker.Host}}')}"; }

check_machine() {
  local program
  [ "$(id -u)" = 0 ] || fail "only root can start a cluster: sudo tools/kube.sh up, or name another cluster in KUBECONFIG"
  for program in docker openssl iptables nsenter; do
    command -v "$program" >/dev/null || fail "$program is not installed"
  done
  docker version >/dev/null 2>&1 || fail "no Docker engine answers: tools/engine.sh start, then eval \"\$(tools/engine.sh env)\""
  [[ $(engine_socket) == unix://* ]] || fail "the engine must run on this machine, not at $(engine_socket)"
}

# $1: name of the files; $2: subject; $3: what the certificate is for, in the words of openssl's extensions.
certificate() {
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -keyout "$1.key" -subj "$2" -out "$1.csr" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -extfile <(echo "$3") -out "$1.crt" 2>/dev/null
}

# One authority for everything. The administrator's certificate serves all components: one node, one machine, one user.
certificates() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 365 -subj "/CN=podparts-kube" \
    -keyout ca.key -out ca.crt 2>/dev/null
  certificate apiserver /CN=kube-apiserver "subjectAltName=IP:$address,IP:${services%.0.0/16}.0.1,DNS:kubernetes.default.svc"
  certificate kubelet "/O=system:nodes/CN=system:node:$node" "subjectAltName=IP:$address,DNS:$node"
  certificate admin /O=system:masters/CN=admin extendedKeyUsage=clientAuth
  openssl ecparam -name prime256v1 -genkey -noout -out accounts.key
  openssl ec -in accounts.key -pubout -out accounts.pub 2>/dev/null
  cat >kubeconfig <<CONFIG
apiVersion: v1
kind: Config
clusters: [{name: podparts, cluster: {server: "https://$address:$port", certificate-authority: $run/ca.crt}}]
users: [{name: admin, user: {client-certificate: $run/admin.crt, client-key: $run/admin.key}}]
contexts: [{name: podparts, context: {cluster: podparts, user: admin}}]
current-context: podparts
CONFIG
}

# How the machine was, for down.
remember() {
  local name place
  for place in "${fixed_places[@]}"; do [ -e "$place" ] || echo "$place"; done >new_places
  for name in "${tunables[@]}"; do
    if [ -r "/proc/sys/$name" ]; then echo "$name $(cat "/proc/sys/$name")"; fi
  done >tunables
}

# The image of each pod's first process; made from the one binary, as no registry may be near.
import_pause() {
  docker image inspect "$pause" >/dev/null 2>&1 ||
    tar -C "$programs" -c pause | docker import -c 'ENTRYPOINT ["/pause"]' -c 'USER 65535:65535' - "$pause" >/dev/null
}

spawn() {
  local name=$1
  shift
  setsid "$programs/$name" "$@" >"$run/$name.log" 2>&1 </dev/null 7>&- 8>&- &
  echo $! >"$run/$name.pid"
  disown
}

# $1: what is waited for; $2: the component that is to bring it about; the rest: a command that succeeds when it is there.
await() {
  local what=$1 name=$2 deadline=$((SECONDS + 60)) component
  shift 2
  until "$@"; do
    for component in "$name" "${components[@]}"; do
      [ ! -f "$run/$component.pid" ] || kill -0 "$(cat "$run/$component.pid")" 2>/dev/null || give_up "$component ended" "$component"
    done
    [ $SECONDS -lt $deadline ] || give_up "no $what after 60 s" "$name"
    sleep 0.1
  done
}

# Shows what the component said of its failure: a Go program ends with pages of stacks, which are in the log.
give_up() {
  cp "$run/$2.log" "$dir/failed.log"
  { grep -E '^([EF][0-9]{4} |Error|panic|fatal)' "$dir/failed.log" || cat "$dir/failed.log"; } | tail -n 5 | cut -c -400 >&2
  clean
  fail "$1; log: $dir/failed.log"
}

node_ready() { own get node "$node" 2>/dev/null | grep -q ' Ready '; }
account_ready() { own -n default get serviceaccount default >/dev/null 2>&1; }

start_control_plane() {
  spawn etcd --data-dir "$run/etcd" --listen-client-urls "http://127.0.0.1:$etcd_port" \
    --advertise-client-urls "http://127.0.0.1:$etcd_port" --listen-peer-urls http://127.0.0.1:0
  spawn kube-apiserver --etcd-servers="http://127.0.0.1:$etcd_port" --bind-address="$address" --advertise-address="$address" \
    --secure-port="$port" --tls-cert-file=apiserver.crt --tls-private-key-file=apiserver.key --client-ca-file=ca.crt \
    --kubelet-client-certificate=admin.crt --kubelet-client-key=admin.key --kubelet-certificate-authority=ca.crt \
    --kubelet-preferred-address-types=InternalIP --authorization-mode=RBAC --allow-privileged=true \
    --service-cluster-ip-range="$services" --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file=accounts.pub --service-account-signing-key-file=accounts.key \
    --feature-gates=TTLAfterFinished=true,EphemeralContainers=true
  await "API server" kube-apiserver own_answers
  spawn kube-controller-manager --kubeconfig=kubeconfig --bind-address=127.0.0.1 --port=0 --leader-elect=false \
    --service-account-private-key-file=accounts.key --root-ca-file=ca.crt --feature-gates=TTLAfterFinished=true \
    --flex-volume-plugin-dir="$run/plugins"
  spawn kube-scheduler --kubeconfig=kubeconfig --bind-address=127.0.0.1 --port=0 --leader-elect=false
}

# Pods lie on the engine's own bridge. Kubelet looks at mounted Secrets and ConfigMaps each --sync-frequency (a minute by
# default). masquerade-all: two pods on one bridge would answer each other past the service's address translation.
start_node() {
  spawn kubelet --kubeconfig=kubeconfig --hostname-override="$node" --address="$address" --node-ip="$address" \
    --tls-cert-file=kubelet.crt --tls-private-key-file=kubelet.key --client-ca-file=ca.crt --anonymous-auth=false \
    --authorization-mode=AlwaysAllow --read-only-port=0 --container-runtime=docker --docker-endpoint="$(engine_socket)" \
    --container-runtime-endpoint="unix://$run/dockershim.sock" --experimental-dockershim-root-directory="$run/dockershim" \
    --pod-infra-container-image="$pause" --cgroup-driver="$(docker info -f '{{.CgroupDriver}}')" --root-dir="$run/kubelet" \
    --cert-dir="$run" --volume-plugin-dir="$run/plugins" --fail-swap-on=false --sync-frequency=5s --node-status-update-frequency=1s \
    --image-gc-high-threshold=100 --eviction-hard='nodefs.available<1%,imagefs.available<1%' \
    --feature-gates=TTLAfterFinished=true,EphemeralContainers=true
  spawn kube-proxy --kubeconfig=kubeconfig --hostname-override="$node" --proxy-mode=iptables --masquerade-all \
    --healthz-bind-address=127.0.0.1 --metrics-bind-address=127.0.0.1 --conntrack-max-per-core=0 \
    --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0 --iptables-min-sync-period=100ms
}

up() {
  theirs && { say "using the cluster of KUBECONFIG: $(kubectl config current-context)"; return; }
  build
  exec 7>"$dir/up.lock"
  flock 7
  own_answers && { say "already started"; return; }
  check_machine
  clean
  local began=$SECONDS address
  address=$(docker network inspect bridge -f '{{(index .IPAM.Config 0).Gateway}}')
  mkdir -p "$run"
  cd "$run"
  remember
  import_pause
  certificates
  start_control_plane
  start_node
  await "ready node" kubelet node_ready
  await "service account" kube-controller-manager account_ready
  say "Kubernetes $release runs on $(docker version -f 'Docker {{.Server.Version}}'), started in $((SECONDS - began)) s"
}

# --- down

# Prints the recorded process of a component where it still is that: a number may belong to another process by now.
process_of() {
  local pid
  [ -f "$run/$1.pid" ] || return 0
  pid=$(cat "$run/$1.pid")
  if [[ $(readlink "/proc/$pid/exe") == "$programs"/* ]]; then echo "$pid"; fi
}

# All at once, and hard after two seconds: what they would still write is thrown away with the cluster.
end_processes() {
  local component pids=() pid deadline=$((SECONDS + 10)) hard=$((SECONDS + 2))
  mapfile -t pids < <(for component in "${components[@]}"; do process_of "$component"; done)
  [ ${#pids[@]} -gt 0 ] || return 0
  kill "${pids[@]}"
  for pid in "${pids[@]}"; do
    while kill -0 "$pid" 2>/dev/null; do
      [ $SECONDS -lt $hard ] || kill -KILL "$pid" 2>/dev/null || true
      [ $SECONDS -lt $deadline ] || fail "process $pid does not end"
      sleep 0.1
    done
  done
}

remove_containers() {
  docker ps -aq --filter label=io.kubernetes.docker.type | xargs -r docker rm -f >/dev/null
}

# From what iptables-save prints, what iptables-restore must do: empty the chains KUBE-*, delete the jumps to them, then them.
# Nothing else of the table is touched: the engine may be writing its own rules to it.
undo_rules() {
  awk '
    /^\*/ {print}
    /^:KUBE-/ {chain = substr($1, 2); print "-F", chain; last = last "-X " chain "\n"}
    /^-A / && $2 !~ /^KUBE-/ && / KUBE-/ {sub(/^-A/, "-D"); jumps = jumps $0 "\n"}
    /^COMMIT/ {printf "%s%s", jumps, last; print}'
}

remove_rules() {
  local family table
  for family in iptables ip6tables; do
    for table in nat filter mangle; do
      if "$family-save" -t "$table" 2>/dev/null | grep -q KUBE-; then
        "$family-save" -t "$table" | undo_rules | "$family-restore" --noflush
      fi
    done
  done
}

# Places that were there before keep all but the logs of containers that are gone.
remove_places() {
  [ ! -f "$run/new_places" ] || xargs -r rm -rf <"$run/new_places"
  [ ! -d /var/log/containers ] || find /var/log/containers -xtype l -delete
}

restore_tunables() {
  local name value
  [ ! -f "$run/tunables" ] || while read -r name value; do echo "$value" >"/proc/sys/$name"; done <"$run/tunables"
}

# Undoes whatever up has done so far; harmless where it has done nothing.
clean() {
  [ -d "$run" ] || return 0
  end_processes
  remove_containers || say "no engine answers: its containers could not be removed"
  awk -v below="$run/" 'index($2, below) == 1 {print $2}' /proc/mounts | sort -r | xargs -r -n 1 umount
  find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} + 2>/dev/null || true
  remove_rules
  remove_places
  restore_tunables
  rm -rf "$run"
}

down() {
  [ -d "$run" ] || { say "none to end"; return; }
  [ "$(id -u)" = 0 ] || fail "only root can end it: sudo tools/kube.sh down"
  clean
  say "ended"
}

# --- use

environment() {
  if theirs; then return; fi
  own_answers || fail "none answers: tools/kube.sh up"
  echo "export KUBECONFIG=$run/kubeconfig PATH=$dir/bin:\$PATH"
}

status() {
  if theirs; then echo "the cluster of KUBECONFIG: $(kubectl config current-context)"
  elif own_answers; then own get nodes -o wide
  else fail "none answers: tools/kube.sh up"; fi
}

load() {
  local context image
  [ $# -gt 0 ] || fail "load wants the names of images"
  for image; do docker image inspect "$image" >/dev/null 2>&1 || fail "the engine has no image $image"; done
  theirs || return 0                            # the cluster made here runs on the engine itself
  context=$(kubectl config current-context)
  case $context in
  kind-*) kind load docker-image --name "${context#kind-}" "$@" ;;
  k3d-*) k3d image import --cluster "${context#k3d-}" "$@" ;;
  minikube) minikube image load "$@" ;;
  *) fail "cannot bring images to the cluster $context: push them where it pulls from, and name them with kustomize" ;;
  esac
}

case ${1:-} in
build) build ;;
up) up ;;
env) environment ;;
load) shift; load "$@" ;;
status) status ;;
down) down ;;
*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2 ;;
esac
