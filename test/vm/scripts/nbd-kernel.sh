# The fallback where there is no ublk: a device of the kernel's nbd client, set up over netlink.
# File system, verified I/O, discard, kill -9 of the server and its return, read-only, detach.
set -eu

demo=${SHOAL_VM_NBD_DEMO:-${CARGO_TARGET_DIR:-$SHOAL_ROOT/native/target}/debug/examples/nbd-kernel-demo}
disk=/dev/shm/disk
size=134217728
server_pid=

modprobe nbd nbds_max=2
mkdir -p /mnt/v

step() { echo "== $*"; }
die() { echo "FAILED: $*"; cat /run/server.log; exit 1; }
refused() { if "$@" >/run/refused.log 2>&1; then die "must not succeed: $*"; fi; }

until_true() {
  tries=$(($1 * 10)); shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || return 1
    sleep 0.1
  done
}

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

fio_verify() {
  fio --eta=never --name=verify --ioengine=io_uring --direct=1 --bs=4k --iodepth=16 --rw=randwrite \
    --verify=crc32c --verify_fatal=1 --verify_backlog=512 --output=/run/fio.log "$@" ||
    { cat /run/fio.log; die "fio"; }
}

step "what the kernel makes of the device"
server serve $disk $size 512
[ "$(blockdev --getsize64 "$device")" = $size ] || die "size"
[ "$(queue logical_block_size)" = 512 ] || die "block size $(queue logical_block_size)"
[ "$(queue write_cache)" = "write through" ] || die "cache $(queue write_cache)"
[ "$(queue discard_max_bytes)" -gt 0 ] || die "no discard"
[ "$(cat "/sys/block/nbd$index/backend")" = shoal:demo ] || die "backend"
"$demo" devices | grep -q "^$index connected$" || die "$("$demo" devices)"

step "the disk itself, then a file system"
fio_verify --filename="$device" --size=32m
mkfs.ext4 -q -F "$device"
mount "$device" /mnt/v
fio_verify --filename=/mnt/v/file --size=48m
rm /mnt/v/file
sync
before=$(du -k $disk | cut -f1)
fstrim /mnt/v
after=$(du -k $disk | cut -f1)
[ "$after" -lt $((before - 40000)) ] || die "discard gave nothing back: $before KiB, then $after KiB"

step "kill -9 of the server under verified I/O, and its return"
fio_verify --filename=/mnt/v/file --size=48m --time_based=1 --runtime=20 &
fio_pid=$!
for round in 1 2 3; do
  sleep 2
  kill_server
  [ $round != 2 ] || sleep 2
  server resume $disk $size "$index"
done
wait $fio_pid || die "I/O failed across a kill"
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
