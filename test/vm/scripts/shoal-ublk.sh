# Volumes as ublk devices of a real data process: file systems, verified I/O, discard, kill -9, an orderly
# stop, read-only. A long form: every instruction is emulated.
. "$SHOAL_ROOT/test/vm/scripts/shoal-lib.sh"
modprobe xfs
kills=${SHOAL_VM_KILLS:-20}

step "a device"
bring_up
attach p1 vol ublk false 2
[ "$(blockdev --getsize64 "$device")" = 402653184 ] || die "size of $device"
[ "$(ls "/sys/block/$(basename "$device")/mq" | wc -l)" = 2 ] || die "queues"
shows p1 '"state":"active"' || die "not shown as active: $(call p1 device.list '{}')"

step "sizes and offsets of every kind"
fio_verify "$device" --bsrange=512-256k --blockalign=512 --size=8m --verify_backlog=64 --iodepth=8

step "discard gives space back, and zeros"
before=$(written p1 vol)
[ "$before" -gt 6000000 ] || die "written: $before"
blkdiscard -o 0 -l 8388608 "$device"
after=$(written p1 vol)
[ "$after" -lt $((before - 6000000)) ] || die "discard gave nothing back: $before, then $after"
cmp -n 8388608 "$device" /dev/zero || die "discarded range"
dd if=/dev/urandom of="$device" bs=64k count=4 oflag=direct status=none
blkdiscard -z -o 4096 -l 131072 "$device"
cmp -n 131072 -i 4096:0 "$device" /dev/zero || die "zeroed range"

step "a file system, and no detach while it is mounted"
mkfs.ext4 -q -F -E nodiscard "$device"
mount "$device" /mnt/v
refused detach p1 vol
grep -q 'in use' /run/call.err || die "no word about the use: $(cat /run/call.err)"
[ -b "$device" ] || die "a refused detach removed the device"

step "fstrim gives back what a removed file took, in the volume and in every store"
dd if=/dev/urandom of=/mnt/v/big bs=1M count=24 oflag=direct status=none
full=$(written p1 vol)
stores_full=$(free_in_stores)
rm /mnt/v/big
sync -f /mnt/v
[ "$(written p1 vol)" -gt $((full - 1000000)) ] || die "a removal alone gave space back"
fstrim /mnt/v
[ "$(written p1 vol)" -lt $((full - 24000000)) ] || die "of $full: $(written p1 vol) after fstrim"
# All three copies. A store lets go of cells when it folds, which other writes make it do.
stores_gave() {
  dd if=/dev/urandom of=/mnt/v/churn bs=4k count=256 oflag=direct conv=notrunc status=none
  [ "$(free_in_stores)" -gt $((stores_full + 3 * 23000000)) ]
}
until_true 180 stores_gave || die "stores had $stores_full free and have $(free_in_stores)"
echo "written $full, then $(written p1 vol); free $stores_full, then $(free_in_stores) bytes"

step "kill -9 of the data process $kills times in a row under verified I/O"
load /mnt/v/file --size=2m --iodepth=8 --verify_backlog=64
killed_under_load "$kills" p1 "$device" loaded
calm
no_io_errors
say_returns

step "an orderly stop leaves the device waiting, and its I/O goes on after the start"
dd if=/dev/urandom of=/run/data bs=1M count=2 status=none
call p1 shutdown '{"deadline_ms":4000}' >/dev/null
wait "$(pid_of p1)" || die "p1 ended with $?"
grep -q 'devices wait for the next start: vol' "$cluster/p1.log" || die "it did not say so"
dd if=/run/data of=/mnt/v/copy bs=1M oflag=direct conv=fsync status=none &
writer=$!
sleep 1
kill -0 $writer || die "a write ended with no data process"
start p1
wait $writer || die "a write failed across a stop"
cmp /run/data /mnt/v/copy || die "wrong data after a stop"
umount /mnt/v
e2fsck -fn "$device" >/run/fsck.log || die "$(cat /run/fsck.log)"
until_true 20 detach p1 vol || die "detach: $(cat /run/call.err)"
[ ! -e "$device" ] || die "$device is still there"
no_io_errors

step "xfs, read-only"
attach p1 vol
mkfs.xfs -q -f -K "$device"
mount "$device" /mnt/v
cp /run/data /mnt/v/data
umount /mnt/v
detach p1 vol >/dev/null || die "detach: $(cat /run/call.err)"
attach p1 vol ublk true
[ "$(blockdev --getro "$device")" = 1 ] || die "not read-only"
refused dd if=/dev/zero of="$device" bs=4k count=1 oflag=direct
mount -o ro,norecovery "$device" /mnt/v
cmp /run/data /mnt/v/data || die "data of xfs"
umount /mnt/v
detach p1 vol >/dev/null || die "detach: $(cat /run/call.err)"
step "done"
