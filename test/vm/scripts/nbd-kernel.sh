# The fallback where there is no ublk: a device of the kernel's nbd client, set up over netlink.
# File system, verified I/O, discard, kill -9 of the server and its return, read-only, detach.
. "$SHOAL_ROOT/test/vm/scripts/common.sh"

demo=${SHOAL_VM_NBD_DEMO:-${CARGO_TARGET_DIR:-$SHOAL_ROOT/native/target}/debug/examples/nbd-kernel-demo}
disk=/dev/shm/disk
size=134217728
server_pid=

modprobe nbd nbds_max=2

show_failure() { cat /run/server.log; }

# server ARGS...: starts it; $device is the device.
server() {
  "$demo" "$@" </dev/null >/run/server.out 2>>/run/server.log &
  server_pid=$!
  until_true 20 grep -q '^ready ' /run/server.out || die "server is not ready: $*"
  device=$(awk '$1 == "ready" { print $2 }' /run/server.out)
  index=${device#/dev/nbd}
}

detach() {
  "$demo" disconnect "$index"
  wait "$server_pid" || die "server ended with $?"
}

kill_server() { kill -9 "$server_pid"; wait "$server_pid" 2>/dev/null || true; }

queue() { cat "/sys/block/nbd$index/queue/$1"; }

step "what the kernel makes of the device"
server serve $disk $size 512
[ "$(blockdev --getsize64 "$device")" = $size ] || die "size"
[ "$(queue logical_block_size)" = 512 ] || die "block size $(queue logical_block_size)"
[ "$(queue write_cache)" = "write through" ] || die "cache $(queue write_cache)"
[ "$(queue discard_max_bytes)" -gt 0 ] || die "no discard"
[ "$(cat "/sys/block/nbd$index/backend")" = shoal:demo ] || die "backend"
"$demo" devices | grep -q "^$index connected$" || die "$("$demo" devices)"

step "the disk itself, then a file system"
fio_verify "$device" --size=32m --iodepth=16 --verify_backlog=512
mkfs.ext4 -q -F "$device"
mount "$device" /mnt/v
fio_verify /mnt/v/file --size=48m --iodepth=16 --verify_backlog=512
rm /mnt/v/file
sync
before=$(du -k $disk | cut -f1)
fstrim /mnt/v
after=$(du -k $disk | cut -f1)
[ "$after" -lt $((before - 40000)) ] || die "discard gave nothing back: $before KiB, then $after KiB"

step "kill -9 of the server under verified I/O, and its return"
load /mnt/v/file --size=48m --iodepth=16 --verify_backlog=512
for round in 1 2 3; do
  sleep 2
  kill_server
  [ $round != 2 ] || sleep 2
  server resume $disk $size "$index"
done
calm
umount /mnt/v
e2fsck -fn "$device" >/run/fsck.log || die "$(cat /run/fsck.log)"

step "a server that only stands still for a while loses nothing, and its connection stays"
mount "$device" /mnt/v
kill -STOP "$server_pid"
dd if=/dev/urandom of=/mnt/v/slow bs=1M count=4 oflag=direct status=none &
writer=$!
sleep 5
kill -0 $writer || die "a write ended while the server stood still"
kill -CONT "$server_pid"
wait $writer || die "a slow write failed"
umount /mnt/v
! dmesg | grep -q 'timed out' || die "$(dmesg | grep nbd)"

step "another backend's device cannot be taken"
refused env BACKEND=other "$demo" resume $disk $size "$index"
grep -q 'Refused(22)' /run/refused.log || die "$(cat /run/refused.log)"
detach
"$demo" devices | grep -q "^$index free$" || die "$("$demo" devices)"

step "read-only, blocks of 4096"
server serve $disk $size 4096 ro
[ "$(queue logical_block_size)" = 4096 ] || die "block size $(queue logical_block_size)"
refused dd if=/dev/zero of="$device" bs=4096 count=1 oflag=direct
cmp -n 1048576 $disk "$device" || die "content"
detach

step "a size that is no multiple of the block is refused"
refused "$demo" serve $disk 134217000 4096
grep -q 'Size' /run/refused.log || die "$(cat /run/refused.log)"
