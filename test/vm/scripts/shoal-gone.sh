# Devices that go away, and devices that must not come back: taken down by force under I/O, with a
# data process and with none; taken over by another peer while theirs was dead, and while it was paused.
. "$SHOAL_ROOT/test/vm/scripts/shoal-lib.sh"

# endless DEVICE FILE: writes until they fail; what is in flight is seen by the kernel's counters.
endless() {
  fio --eta=never --name=endless --filename="$2" --ioengine=io_uring --direct=1 --bs=4k --iodepth=8 \
    --rw=randwrite --size=8m --time_based=1 --runtime=1h --output=/run/endless.log &
  endless=$!
  flowing=$(written_to "$1")
  until_true 120 flows "$1" || die "no I/O: $(cat /run/endless.log)"
}
# Writes that the kernel has seen completed; and those that it waits for.
written_to() { awk '{ print $5 }' "/sys/block/$(basename "$1")/stat"; }
in_flight() { awk '{ print $2 }' "/sys/block/$(basename "$1")/inflight"; }
flows() { [ "$(written_to "$1")" -gt $((flowing + 100)) ] && [ "$(in_flight "$1")" -gt 0 ]; }
ended_by_error() {
  until_true 300 ended || die "fio goes on: $(cat "/proc/$endless/stack") $(in_flight "$1") in flight"
  ! wait $endless || die "fio saw no error"
}
ended() { ! kill -0 $endless; }
gone() { until_true 20 test ! -e "$1" || die "$1 is still there"; }
# Mounted, with something in it that must be there at the end.
put_file_system() {
  mkfs.ext4 -q -F -E nodiscard "$device"
  mount "$device" /mnt/v
  cp /run/data /mnt/v/before
  sync -f /mnt/v
}
# What was acknowledged is there, whatever was cut off after it.
still_there() {
  mount "$device" /mnt/v
  cmp /run/data /mnt/v/before || die "what was acknowledged is gone"
  umount /mnt/v
  e2fsck -fn "$device" >/run/fsck.log || die "$(cat /run/fsck.log)"
}

# over_by PEER: it takes the volume over, writes, and keeps a copy of what is then in it.
over_by() {
  fenced=$device
  attach "$1" vol ublk false 0 true
  newer=$device
  [ "$newer" != "$fenced" ] || die "the same device"
  dd if=/run/data of="$newer" bs=1M seek=40 oflag=direct status=none
  dd if="$newer" of=/run/copy bs=1M iflag=direct conv=sparse status=none
}
unchanged() { dd if="$newer" bs=1M iflag=direct status=none | cmp - /run/copy || die "$1 changed the volume"; }
# fenced_on PEER: shown so, and it answers EIO, also to the kernel's dirty pages.
fenced_on() {
  until_true 180 shows "$1" '"state":"fenced"' || die "not fenced: $(call "$1" device.list '{}')"
  refused dd if="$fenced" of=/dev/null bs=4k count=1 iflag=direct
  refused dd if=/dev/zero of="$fenced" bs=4k count=1 oflag=direct conv=notrunc
  refused blkdiscard -f "$fenced"
  sync -f /mnt/v 2>/dev/null || true
  [ -n "$(io_errors)" ] || die "the dirty pages went somewhere"
  unchanged "a fenced device"
}
# detached_again PEER BY: the fenced device goes; then it has what BY wrote.
detached_again() {
  refused call "$1" volume.attach '{"volume":"vol","via":"ublk","read_only":false,"queues":0,"takeover":true}'
  umount -l /mnt/v
  until_true 20 detach "$1" vol || detach "$1" vol true >/dev/null || die "detach: $(cat /run/call.err)"
  gone "$fenced"
  unchanged "the detach"
  detach "$2" vol >/dev/null || die "detach: $(cat /run/call.err)"
  attach "$1" vol
  dd if="$device" bs=1M iflag=direct status=none | cmp - /run/copy || die "the newer data"
  detach "$1" vol >/dev/null || die "detach: $(cat /run/call.err)"
}

step "two peers"
bring_up
dd if=/dev/urandom of=/run/data bs=1M count=2 status=none

step "mounted and under I/O: a detach is refused, by force it ends the I/O, and nothing hangs"
attach p1 vol
put_file_system
# An open descriptor outlives the device.
exec 3<"$device"
endless "$device" /mnt/v/file
refused detach p1 vol
grep -q 'in use' /run/call.err || die "no word about the use: $(cat /run/call.err)"
detach p1 vol true >/dev/null || die "detach --force: $(cat /run/call.err)"
ended_by_error "$device"
[ "$(dd bs=4k count=1 iflag=direct <&3 2>/dev/null | wc -c)" = 0 ] || die "a device that is gone was read"
exec 3<&-
umount -l /mnt/v
gone "$device"
attach p1 vol
still_there
detach p1 vol >/dev/null || die "detach: $(cat /run/call.err)"

step "mounted and under I/O, with no daemon: the I/O that waits ends; the next daemon tells the cluster"
attach p2 vol
mount "$device" /mnt/v
endless "$device" /mnt/v/file
kill_peer p2
sleep 1
kill -0 $endless || die "a write ended with no data process"
"$peer_program" detach "$cluster/p2/run/devices" vol >/run/forced || die "forced detach"
[ "$(cat /run/forced)" = "$device" ] || die "it took $(cat /run/forced)"
ended_by_error "$device"
umount -l /mnt/v
gone "$device"
start p2
free() { ! call p2 state.get '{}' | grep -q '"attachment":{'; }
until_true 60 free || die "still attached: $(call p2 state.get '{}')"
! ls /dev/ublkc* 2>/dev/null || die "a device came back"

step "dirty pages wait, the peer dies, the volume goes elsewhere and is written there"
attach p2 vol
still_there
put_file_system
dd if=/dev/urandom of=/mnt/v/dirty bs=1M count=8 status=none
kill_peer p2
forgive
over_by p1

step "its process comes back: EIO to everything, and not a byte of it arrives"
start p2
fenced_on p2

step "so with the next process, which nobody tells, and until it is detached"
kill_peer p2
start p2
fenced_on p2
detached_again p2 p1

step "paused under I/O with dirty pages, the volume goes elsewhere, and then it wakes up"
attach p2 vol
put_file_system
dd if=/dev/urandom of=/mnt/v/dirty bs=1M count=8 status=none
endless "$device" /mnt/v/file
kill -STOP "$(pid_of p2)"
forgive
over_by p1
kill -0 $endless || die "a write ended while its data process was paused"
kill -CONT "$(pid_of p2)"
ended_by_error "$fenced"
fenced_on p2
detached_again p2 p1
step "done"
