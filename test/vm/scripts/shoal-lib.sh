# Shared by the guest scripts that run three real data processes: a cluster that was made outside the
# guest ($SHOAL_VM_CLUSTER, a directory p1 p2 p3 and a list of their files) comes to life in it. No
# Node runs here: every instruction is emulated, and its start alone would take half a minute.
set -eu

peer_program=$SHOAL_VM_PEER
cluster=$SHOAL_VM_CLUSTER
mkdir -p /mnt/v

read -r begin rest </proc/uptime
step() { read -r now rest </proc/uptime; echo "== $((${now%.*} - ${begin%.*})) s: $*"; }
die() {
  echo "FAILED: $*"
  for peer in p1 p2 p3; do echo "-- $peer"; tail -n 30 "$cluster/$peer.log"; done
  cat /run/call.err
  exit 1
}

# until_true SECONDS COMMAND...: polls every 0.1 s, by the guest's clock.
until_true() {
  read -r now rest </proc/uptime
  deadline=$((${now%.*} + $1)); shift
  until "$@" >/dev/null 2>&1; do
    read -r now rest </proc/uptime
    [ "${now%.*}" -lt $deadline ] || return 1
    sleep 0.1
  done
}

refused() { if "$@" >/run/refused.log 2>&1; then die "must not succeed: $*"; fi; }

# The paths in the cluster's state are absolute: its directory is where it was, in memory.
unpack_cluster() {
  mkdir -p "$cluster.made"
  mount --bind "$cluster" "$cluster.made"
  mount -t tmpfs -o size=80% tmpfs "$cluster"
  tar -xSf "$cluster.made/peers.tar" -C "$cluster"
  # Seconds pass quickly where instructions are emulated: nobody is to be taken for dead.
  sed -i "s/\"lease_ms\": [0-9]*/\"lease_ms\": 10000/" "$cluster"/p?/run/data.json
}

# start PEER: its data process, which must answer. Never in a pipeline: it outlives this line.
start() {
  rm -f "$cluster/$1/run/data.sock"
  "$peer_program" run "$cluster/$1/run/data.json" </dev/null >>"$cluster/$1.log" 2>&1 &
  eval "pid_$1=$!"
  until_true 20 test -S "$cluster/$1/run/data.sock" || die "$1 does not answer"
}

pid_of() { eval "echo \$pid_$1"; }

kill_peer() { kill -9 "$(pid_of "$1")"; wait "$(pid_of "$1")" 2>/dev/null || true; }

# call PEER METHOD JSON: one request of control.
call() { "$peer_program" call "$cluster/$1/run/data.sock" "$2" "$3" 2>/run/call.err; }

# What the control plane does all the time: members that fell out come back.
keep_joined() {
  while sleep 1; do
    for peer in p1 p2 p3; do
      "$peer_program" join "$cluster/$peer/run/data.sock" && break
    done
  done
}

# attach PEER VOLUME [VIA [READ-ONLY [QUEUES [TAKEOVER]]]]: sets $device.
attach() {
  request="{\"volume\":\"$2\",\"via\":\"${3:-ublk}\",\"read_only\":${4:-false}"
  request="$request,\"queues\":${5:-0},\"takeover\":${6:-false}}"
  call "$1" volume.attach "$request" >/run/attached || die "attach of $2 on $1: $(cat /run/call.err)"
  device=$(sed 's/.*"device":"\([^"]*\)".*/\1/' /run/attached)
  until_true 3 test -b "$device" || die "no device $device"
}

detach() {
  call "$1" volume.detach "{\"volume\":\"$2\",\"force\":${3:-false}}"
}

shows() { call "$1" device.list '{}' | grep -q "$2"; }

written() { call "$1" volume.usage "{\"volume\":\"$2\"}" | tr -dc '0-9:,' | sed 's/.*://'; }

fio_verify() {
  target=$1; shift
  timeout -s INT 60 fio --eta=never --name=verify --filename="$target" --ioengine=io_uring --direct=1 --bs=4k --iodepth=32 \
    --rw=randwrite --verify=crc32c --verify_fatal=1 --verify_backlog=256 --verify_state_save=0 \
    --output=/run/fio.log "$@" || { cat /run/fio.log; die "fio on $target"; }
}
