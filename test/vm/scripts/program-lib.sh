# Shared by the guest scripts that run the whole program: every process of it is emulated, and the
# start of Node alone takes many seconds.
# SHOAL_VM_PROGRAM: a directory with bin/shoal, as packed.
. "$SHOAL_ROOT/test/vm/scripts/common.sh"

program=$SHOAL_VM_PROGRAM
dir=/run/d/demo
links=/dev/shoal

show_failure() {
  tail -n 40 $dir/p?/log/*
  cat /run/out /run/err 2>/dev/null
  dmesg | tail -n 20
}

shoal() { "$program/bin/shoal" "$@" >/run/out 2>/run/err; }
ok() { shoal "$@" || die "shoal $* ended with $?"; }
# rejected TEXT ARGS...: it must fail, and say so.
rejected() {
  text=$1; shift
  ! shoal "$@" || die "must be refused: shoal $*"
  grep -q "$text" /run/err || die "shoal $* does not say: $text"
}
# on PEER: what it is told next goes to it.
on() { export SHOAL_SERVER=unix:$dir/$1/run/shoal.sock; }
# The demo, all of it running. `shape`: its peers and disks, which lie in the guest's memory.
up() { ok demo up --dir $dir $shape --disk-size 512MiB --patience 10m; }
# number_of FIELD: the first one of that name in what was told as JSON.
number_of() { grep -o "\"$1\": *[0-9]*" /run/out | head -n 1 | tr -dc 0-9; }
# pid_of PEER control|data
pid_of() { sed 's/[^0-9].*//' "$dir/$1/run/$2.pid"; }

# The device answers again: a read that waits for the next server ends.
answers() { timeout 600 dd if="$1" of=/dev/null bs=4k count=1 iflag=direct status=none; }
# Slow enough that the emulated CPUs have time for Node beside it.
gentle_load() { load "$1" --size=1m --rate_iops=20,20 --iodepth=4 --verify_backlog=64; }

mkdir -p /run/d
mount -t tmpfs -o size=80% tmpfs /run/d
# Seconds pass quickly where instructions are emulated: nobody is to be taken for dead.
export SHOAL_DATA_LEASE=15s
on p1
