# Volumes of three real data processes as ublk devices: file systems, verified I/O, discard, kill -9,
# an orderly stop, read-only, fencing, detach of every kind. A long form: TLS, consensus and resyncs of
# three peers are emulated instruction by instruction.
. "$SHOAL_ROOT/test/vm/scripts/shoal-lib.sh"
modprobe ublk_drv
modprobe xfs
unpack_cluster

step "three peers, a device"
for peer in p1 p2 p3; do start $peer; done
keep_joined </dev/null >/run/joined.log 2>&1 &
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

step "kill -9 of the data process under verified I/O"
verify_until_enough() {
  while [ ! -e /run/enough ]; do
    fio_verify /mnt/v/file --size=2m --iodepth=8 --verify_backlog=64
  done
}
verify_until_enough >/run/fio.out 2>&1 &
fio_pid=$!
for round in $(seq "${SHOAL_VM_KILLS:-20}"); do
  sleep 2
  kill -0 $fio_pid 2>/dev/null || die "fio: $(cat /run/fio.out)"
  kill_peer p1
  start p1
  until_true 180 shows p1 '"state":"active"' || die "not active again: $(call p1 device.list '{}')"
done
touch /run/enough
wait $fio_pid || die "I/O failed across a kill: $(cat /run/fio.out)"

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

step "xfs, read-only, on another peer"
attach p2 vol
mkfs.xfs -q -f -K "$device"
mount "$device" /mnt/v
cp /run/data /mnt/v/data
umount /mnt/v
detach p2 vol >/dev/null || die "detach: $(cat /run/call.err)"
attach p1 vol ublk true
[ "$(blockdev --getro "$device")" = 1 ] || die "not read-only"
refused dd if=/dev/zero of="$device" bs=4k count=1 oflag=direct
mount -o ro,norecovery "$device" /mnt/v
cmp /run/data /mnt/v/data || die "data on another peer"
umount /mnt/v
detach p1 vol >/dev/null || die "detach: $(cat /run/call.err)"

step "detach --force with no daemon, told to the cluster by the next one"
attach p2 vol
kill_peer p2
"$peer_program" detach "$cluster/p2/run/devices" vol >/run/forced || die "forced detach"
[ "$(cat /run/forced)" = "$device" ] || die "it took $(cat /run/forced)"
until_true 5 test ! -e "$device" || die "$device is still there"
start p2
free() { ! call p2 state.get '{}' | grep -q '"attachment":{'; }
until_true 20 free || die "still attached: $(call p2 state.get '{}')"
! ls /dev/ublkc* 2>/dev/null || die "a device came back"

step "attached elsewhere while its peer was dead: EIO until it is detached"
attach p2 vol
dd if=/run/data of="$device" bs=1M oflag=direct status=none
kill_peer p2
fenced=$device
attach p1 vol ublk false 0 true
dd if="$device" bs=1M count=2 iflag=direct status=none | cmp - /run/data || die "after the take-over"
start p2
until_true 180 shows p2 '"state":"fenced"' || die "not fenced: $(call p2 device.list '{}')"
refused dd if="$fenced" of=/dev/null bs=4k count=1 iflag=direct
refused dd if=/dev/zero of="$fenced" bs=4k count=1 oflag=direct
kill_peer p2
start p2
until_true 180 shows p2 '"state":"fenced"' || die "not fenced by the next process"
refused dd if="$fenced" of=/dev/null bs=4k count=1 iflag=direct
until_true 20 detach p2 vol || die "detach: $(cat /run/call.err)"
[ ! -e "$fenced" ] || die "$fenced is still there"
detach p1 vol >/dev/null || die "detach: $(cat /run/call.err)"
step "done"
