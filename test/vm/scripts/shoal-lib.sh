# Shared by the guest scripts that run real data processes: a cluster of any number of peers that was
# made outside the guest ($SHOAL_VM_CLUSTER: a directory with peers.tar) comes to life in it. No Node
# runs here: every instruction is emulated, and its start alone would take half a minute.
. "$SHOAL_ROOT/test/vm/scripts/common.sh"

peer_program=$SHOAL_VM_PEER
cluster=$SHOAL_VM_CLUSTER
peers=

show_failure() { show_peers; }
show_peers() {
  for peer in $peers; do echo "-- $peer"; tail -n 30 "$cluster/$peer.log"; done
  cat /run/call.err
  dmesg | tail -n 20
}

# The paths in the cluster's state are absolute: its directory is where it was, in memory.
unpack_cluster() {
  mkdir -p "$cluster.made"
  mount --bind "$cluster" "$cluster.made"
  mount -t tmpfs -o size=80% tmpfs "$cluster"
  tar -xSf "$cluster.made/peers.tar" -C "$cluster"
  # Seconds pass quickly where instructions are emulated: nobody is to be taken for dead.
  sed -i "s/\"lease_ms\": [0-9]*/\"lease_ms\": 10000/" "$cluster"/p?/run/data.json
}

# Everything up to the peers that answer.
bring_up() {
  modprobe ublk_drv
  unpack_cluster
  peers=$(cd "$cluster" && echo p?)
  for peer in $peers; do start "$peer"; done
  keep_joined </dev/null >/run/joined.log 2>&1 &
}

# start PEER: its data process, which must answer. Never in a pipeline: it outlives this line.
start() {
  rm -f "$cluster/$1/run/data.sock"
  "$peer_program" run "$cluster/$1/run/data.json" </dev/null >>"$cluster/$1.log" 2>&1 &
  eval "pid_$1=$!"
  until_true 60 test -S "$cluster/$1/run/data.sock" || die "$1 does not answer"
}

pid_of() { eval "echo \$pid_$1"; }

kill_peer() { kill -9 "$(pid_of "$1")"; wait "$(pid_of "$1")" 2>/dev/null || true; }

# kill_and_return PEER DEVICE: kill -9 and the next start; from the one to the first answer of the
# device, in hundredths of a second, goes to /run/returns. I/O that others do is only slower.
kill_and_return() {
  kill_peer "$1"
  killed=$(ticks)
  start "$1"
  answers "$2" || die "$2 is not served again"
  echo $(($(ticks) - killed)) >>/run/returns
}

# killed_under_load TIMES PEER DEVICE COMMAND...: kill -9 again and again; COMMAND sees that the load goes on.
killed_under_load() {
  times=$1 victim=$2 victims_device=$3; shift 3
  rm -f /run/returns
  for round in $(seq "$times"); do
    sleep 2
    "$@"
    kill_and_return "$victim" "$victims_device"
    until_true 180 shows "$victim" '"state":"active"' ||
      die "not active again: $(call "$victim" device.list '{}')"
  done
}
say_returns() { echo "from kill -9 to the first answer, hundredths of a second: $(spread /run/returns)"; }

# A read of the device itself, not of the kernel's memory.
answers() { timeout 240 dd if="$1" of=/dev/null bs=4k count=1 iflag=direct status=none; }

# call PEER METHOD JSON: one request of control.
call() { "$peer_program" call "$cluster/$1/run/data.sock" "$2" "$3" 2>/run/call.err; }

# What the control plane does all the time: members that fell out come back.
keep_joined() {
  while sleep 5; do
    for peer in $peers; do
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

# CPU of a peer's process so far, in hundredths of a second: its own and the kernel's.
cpu_of() { awk '{ print $14, $15 }' "/proc/$(pid_of "$1")/stat"; }

# Bytes of the volume that hold something, as `shoal volume show` tells them.
written() { call "$1" volume.usage "{\"volume\":\"$2\"}" | tr -dc '0-9:,' | sed 's/.*://'; }

# Bytes that are free in all stores together.
free_in_stores() {
  for peer in $peers; do call "$peer" disk.list '{}'; done |
    grep -o '"free_bytes":[0-9]*' | awk -F: '{ sum += $2 } END { printf "%d\n", sum }'
}
