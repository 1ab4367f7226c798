# Devices that go away, and devices that must not come back: taken down by force under I/O, with a
# data process and with none; taken over by another peer while theirs was dead.
. "$SHOAL_ROOT/test/vm/scripts/shoal-lib.sh"

step "two peers"
bring_up
dd if=/dev/urandom of=/run/data bs=1M count=2 status=none

step "detach --force under I/O: it ends with an error, and nothing hangs"
attach p1 vol
(
  # An open descriptor outlives the device.
  exec 3<"$device"
  until [ -e /run/taken ]; do sleep 0.1; done
  ! dd bs=4k count=1 iflag=direct <&3 >/dev/null 2>&1 || echo "a read of a device that is gone worked"
) >/run/holder.out 2>&1 &
holder=$!
fio --eta=never --name=endless --filename="$device" --ioengine=io_uring --direct=1 --bs=4k --iodepth=8 \
  --rw=randwrite --size=8m --time_based=1 --runtime=1h --output=/run/endless.log &
endless=$!
sleep 5
kill -0 $endless || die "I/O ended before its device: $(cat /run/endless.log)"
detach p1 vol true >/dev/null || die "detach --force: $(cat /run/call.err)"
touch /run/taken
wait $endless && die "fio saw no error"
wait $holder && [ ! -s /run/holder.out ] || die "$(cat /run/holder.out)"
until_true 5 test ! -e "$device" || die "$device is still there"
attach p1 vol
dd if=/run/data of="$device" bs=1M oflag=direct status=none || die "attached anew it does not serve"
detach p1 vol >/dev/null || die "detach: $(cat /run/call.err)"

step "detach --force with no daemon ends the I/O that waits; the next one tells the cluster"
attach p2 vol
kill_peer p2
dd if=/run/data of="$device" bs=1M oflag=direct status=none 2>/run/waiting.log &
waiting=$!
sleep 1
kill -0 $waiting || die "a write ended with no data process"
"$peer_program" detach "$cluster/p2/run/devices" vol >/run/forced || die "forced detach"
[ "$(cat /run/forced)" = "$device" ] || die "it took $(cat /run/forced)"
wait $waiting && die "a write to a device that was taken away worked"
until_true 5 test ! -e "$device" || die "$device is still there"
start p2
free() { ! call p2 state.get '{}' | grep -q '"attachment":{'; }
until_true 20 free || die "still attached: $(call p2 state.get '{}')"
! ls /dev/ublkc* 2>/dev/null || die "a device came back"

step "dirty pages wait, the peer dies, the volume goes elsewhere and is written there"
attach p2 vol
mkfs.ext4 -q -F -E nodiscard "$device"
mount "$device" /mnt/v
cp /run/data /mnt/v/before
sync -f /mnt/v
dd if=/dev/urandom of=/mnt/v/dirty bs=1M count=8 status=none
kill_peer p2
forgive
fenced=$device
attach p1 vol ublk false 0 true
[ "$device" != "$fenced" ] || die "the same device"
newer=$device
dd if=/run/data of="$newer" bs=1M seek=300 oflag=direct status=none
sum() { dd if="$newer" bs=1M iflag=direct status=none | sha256sum; }
sum_before=$(sum)

step "its process comes back: EIO to everything, and not a byte of it arrives"
start p2
until_true 180 shows p2 '"state":"fenced"' || die "not fenced: $(call p2 device.list '{}')"
refused dd if="$fenced" of=/dev/null bs=4k count=1 iflag=direct
refused dd if=/dev/zero of="$fenced" bs=4k count=1 oflag=direct conv=notrunc
refused blkdiscard -f "$fenced"
sync -f /mnt/v 2>/dev/null || true
[ -n "$(io_errors)" ] || die "the dirty pages went somewhere"
[ "$(sum)" = "$sum_before" ] || die "a fenced device changed the volume"

step "so with the next process, which nobody tells, and until it is detached"
kill_peer p2
start p2
until_true 180 shows p2 '"state":"fenced"' || die "not fenced by the next process"
refused dd if="$fenced" of=/dev/null bs=4k count=1 iflag=direct
refused call p2 volume.attach '{"volume":"vol","via":"ublk","read_only":false,"queues":0,"takeover":true}'
umount -l /mnt/v
until_true 20 detach p2 vol || detach p2 vol true >/dev/null || die "detach: $(cat /run/call.err)"
until_true 20 test ! -e "$fenced" || die "$fenced is still there"
[ "$(sum)" = "$sum_before" ] || die "the detach changed the volume"
detach p1 vol >/dev/null || die "detach: $(cat /run/call.err)"

step "attached anew it has what the other peer wrote"
attach p2 vol
dd if="$device" bs=1M skip=300 count=2 iflag=direct status=none | cmp - /run/data || die "the newer data"
detach p2 vol >/dev/null || die "detach: $(cat /run/call.err)"
step "done"
