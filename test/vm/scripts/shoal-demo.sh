# The whole program on a real kernel: `shoal demo up` with a device, then attach, detach and device
# list by the command line; kills of both processes under verified I/O; the kernel's nbd; a detach with
# no daemon. One peer with three disks, three copies: every process of it is emulated, and the start of
# Node alone takes many seconds.
# SHOAL_VM_PROGRAM: a directory with bin/shoal, as packed.
set -eu

program=$SHOAL_VM_PROGRAM
dir=/run/d/demo
links=/dev/shoal
fio_pid=

read -r begin rest </proc/uptime
step() { read -r now rest </proc/uptime; echo "== $((${now%.*} - ${begin%.*})) s: $*"; }
die() {
  echo "FAILED: $*"
  tail -n 40 "$dir"/p1/log/*
  cat /run/out /run/err 2>/dev/null
  exit 1
}

# until_true SECONDS COMMAND...: by the guest's clock.
until_true() {
  read -r now rest </proc/uptime
  deadline=$((${now%.*} + $1)); shift
  until "$@" >/dev/null 2>&1; do
    read -r now rest </proc/uptime
    [ "${now%.*}" -lt $deadline ] || return 1
    sleep 0.2
  done
}

shoal() { "$program/bin/shoal" "$@" >/run/out 2>/run/err; }
ok() { shoal "$@" || die "shoal $* ended with $?"; }
# refused TEXT ARGS...: it must fail, and say so.
refused() {
  text=$1; shift
  ! shoal "$@" || die "must be refused: shoal $*"
  grep -q "$text" /run/err || die "shoal $* does not say: $text"
}
fails() { if "$@" >/run/out 2>/run/err; then die "must not succeed: $*"; fi; }
up() { ok demo up --dir $dir --peers 1 --disks 3 --disk-size 512MiB --patience 10m; }
pid_of() { sed 's/[^0-9].*//' "$dir/p1/run/$1.pid"; }

fio_verify() {
  target=$1; shift
  fio --eta=never --name=verify --filename="$target" --ioengine=io_uring --direct=1 --bs=4k \
    --iodepth=8 --rw=randwrite --verify=crc32c --verify_fatal=1 --verify_backlog=64 \
    --verify_state_save=0 --output=/run/fio.log "$@" || { cat /run/fio.log; return 1; }
}
# Verified I/O in the background, until `calm`, which fails if any of it did. Slow enough that the
# emulated CPUs have time for Node beside it.
load() {
  rm -f /run/enough
  (while [ ! -e /run/enough ]; do fio_verify "$1" --size=1m --rate_iops=20,20 --iodepth=4 || exit 1; done) >/run/fio.out 2>&1 &
  fio_pid=$!
}
calm() {
  touch /run/enough
  wait $fio_pid || die "I/O failed: $(cat /run/fio.out)"
}
# The device answers again: a read that waits for the next server ends.
answers() { timeout 240 dd if="$1" of=/dev/null bs=4k count=1 iflag=direct status=none; }

modprobe xfs
mkdir -p /mnt/v /run/d
mount -t tmpfs -o size=80% tmpfs /run/d
# Seconds pass quickly where instructions are emulated: nobody is to be taken for dead.
export SHOAL_DATA_LEASE=15s
export SHOAL_SERVER=unix:$dir/p1/run/shoal.sock

step "demo up: a cluster, a volume, a device"
up
grep -q '/dev/shoal/demo' /run/out || die "no device"
device=$(readlink $links/demo) || die "no link"
[ "$device" = /dev/ublkb0 ] || die "the link leads to $device"
[ "$(blockdev --getsize64 $links/demo)" = 1073741824 ] || die "size"
ok device list
grep -q '/dev/shoal/demo *ublk *active' /run/out || die "not listed"

step "ext4, verified I/O, a detach that is refused while it is mounted"
mkfs.ext4 -q -F -E nodiscard $links/demo
mount $links/demo /mnt/v
fio_verify /mnt/v/file --size=4m || die "fio"
refused 'in use' detach demo
[ -b "$device" ] || die "a refused detach removed the device"

step "kill -9 of control under verified I/O: data goes on, and the next control finds it"
load /mnt/v/file
data=$(pid_of data)
kill -9 "$(pid_of control)"
sleep 5
up
[ "$(pid_of data)" = "$data" ] || die "data was started again"
calm
ok device list
grep -q '/dev/shoal/demo *ublk *active' /run/out || die "not listed by the next control"

step "kill -9 of data under verified I/O: control starts it again, the device is taken back"
load /mnt/v/file
sleep 1
kill -9 "$data"
answers "$device" || die "the device is not served again"
calm
[ "$(pid_of data)" != "$data" ] || die "data was not started again"
umount /mnt/v
e2fsck -fn "$device" >/run/fsck.log || die "$(cat /run/fsck.log)"

step "detach; attached read-only"
ok detach demo
[ ! -e "$device" ] && [ ! -L $links/demo ] || die "left: $(ls -l $device $links)"
ok attach demo --read-only
[ "$(blockdev --getro $links/demo)" = 1 ] || die "not read-only"
fails dd if=/dev/zero of=$links/demo bs=4k count=1 oflag=direct
mount -o ro,noload $links/demo /mnt/v
[ "$(stat -c %s /mnt/v/file)" = 4194304 ] || die "the file is gone"
umount /mnt/v
ok detach demo

step "the kernel's nbd: xfs, kill -9 of data, detach"
ok attach demo --via nbd
device=$(readlink $links/demo)
case $device in /dev/nbd*) ;; *) die "the link leads to $device" ;; esac
mkfs.xfs -q -f -K "$device"
mount "$device" /mnt/v
load /mnt/v/file
sleep 1
kill -9 "$(pid_of data)"
sleep 1
calm
refused 'in use' detach demo
umount /mnt/v
xfs_repair -n "$device" >/run/fsck.log 2>&1 || die "$(cat /run/fsck.log)"
ok detach demo
[ ! -L $links/demo ] || die "a link is left"
[ "$(blockdev --getsize64 "$device")" = 0 ] || die "the kernel still has $device"

step "an orderly stop and start: the device waits, and is attached by itself again"
ok attach demo
device=$(readlink $links/demo)
ok demo stop p1 --dir $dir
up
answers "$device" || die "the device is not served again"
[ "$(readlink $links/demo)" = "$device" ] || die "the link leads elsewhere"

step "detach --force with no daemon, and attached anew"
ok demo kill p1 --dir $dir
refused 'cannot be reached' detach demo
ok detach demo --force
until_true 5 test ! -e "$device" || die "$device is still there"
[ ! -L $links/demo ] || die "a link is left"
up
device=$(readlink $links/demo)
answers $links/demo || die "not attached anew"

step "demo down leaves nothing behind"
ok demo down --dir $dir
! ls /dev/ublkc* $links/* 2>/dev/null || die "devices left"
step "done"
