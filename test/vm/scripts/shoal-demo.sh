# The whole program on a real kernel: `shoal demo up` with a device, then attach, detach and device
# list by the command line; kills of both processes under verified I/O; the kernel's nbd; a detach with
# no daemon. One peer with three disks, three copies.
. "$SHOAL_ROOT/test/vm/scripts/program-lib.sh"
modprobe xfs
shape='--peers 1 --disks 3'

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
fio_verify /mnt/v/file --size=4m --iodepth=8 --verify_backlog=64
rejected 'in use' detach demo
[ -b "$device" ] || die "a refused detach removed the device"

step "fstrim gives back what a removed file took"
dd if=/dev/urandom of=/mnt/v/big bs=1M count=8 oflag=direct status=none
ok volume show demo --json
full=$(number_of used)
rm /mnt/v/big
sync -f /mnt/v
fstrim /mnt/v
ok volume show demo --json
[ "$(number_of used)" -le $((full - 8000000)) ] || die "of $full: $(number_of used) after fstrim"

step "kill -9 of control under verified I/O: data goes on, and the next control finds it"
gentle_load /mnt/v/file
data=$(pid_of p1 data)
kill -9 "$(pid_of p1 control)"
sleep 5
up
[ "$(pid_of p1 data)" = "$data" ] || die "data was started again"
calm
ok device list
grep -q '/dev/shoal/demo *ublk *active' /run/out || die "not listed by the next control"

step "kill -9 of data under verified I/O: control starts it again, the device is taken back"
gentle_load /mnt/v/file
sleep 1
kill -9 "$data"
answers "$device" || die "the device is not served again"
calm
[ "$(pid_of p1 data)" != "$data" ] || die "data was not started again"
umount /mnt/v
e2fsck -fn "$device" >/run/fsck.log || die "$(cat /run/fsck.log)"

step "detach; attached read-only"
ok detach demo
[ ! -e "$device" ] && [ ! -L $links/demo ] || die "left: $(ls -l $device $links)"
ok attach demo --read-only
[ "$(blockdev --getro $links/demo)" = 1 ] || die "not read-only"
refused dd if=/dev/zero of=$links/demo bs=4k count=1 oflag=direct
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
gentle_load /mnt/v/file
sleep 1
kill -9 "$(pid_of p1 data)"
sleep 1
calm
rejected 'in use' detach demo
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
rejected 'cannot be reached' detach demo
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
