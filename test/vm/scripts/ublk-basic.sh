# One device, two file systems: data is right, discard frees space, detach refuses a mounted device.
. "$SHOAL_ROOT/test/vm/scripts/lib.sh"
modprobe xfs

step "features: $("$server" features)"
serve 1 --size 402653184 vol
device=$(device_of vol)
name=$(basename "$device")

step "what the kernel says about $device"
queue=/sys/block/$name/queue
for limit in logical_block_size:512 physical_block_size:4096 minimum_io_size:4096 \
  optimal_io_size:131072 discard_granularity:4096 discard_max_bytes:134217728 \
  write_zeroes_max_bytes:134217728 'write_cache:write through' fua:0 max_hw_sectors_kb:1024; do
  [ "$(cat "$queue/${limit%%:*}")" = "${limit#*:}" ] ||
    die "${limit%%:*} is $(cat "$queue/${limit%%:*}"), not ${limit#*:}"
done
[ "$(blockdev --getsize64 "$device")" = 402653184 ] || die "size"

step "sizes and offsets of every kind"
fio_verify "$device" --bsrange=512-1m --blockalign=512 --size=24m --verify_backlog=64

step "the last bytes, and nothing beyond"
dd if=/dev/urandom of=/run/tail bs=512 count=3 status=none
dd if=/run/tail of="$device" bs=512 seek=786429 oflag=direct conv=notrunc status=none
dd if="$device" of=/run/tail.back bs=512 skip=786429 iflag=direct status=none
cmp /run/tail /run/tail.back || die "the last sectors"
refused dd if=/run/tail of="$device" bs=512 seek=786430 oflag=direct conv=notrunc

step "write zeroes and discard read as zeros and free space"
dd if=/dev/urandom of="$device" bs=1M count=64 oflag=direct status=none
used=$(du -k "$back/vol" | cut -f1)
[ "$used" -ge 65536 ] || die "only $used KiB written"
blkdiscard -z -o 4194304 -l 4194304 "$device"
cmp -n 4194304 -i 4194304:0 "$device" /dev/zero || die "zeroed range"
blkdiscard -o 0 -l 67108864 "$device"
[ "$(du -k "$back/vol" | cut -f1)" -lt $((used - 60000)) ] || die "discard freed nothing"
cmp -n 67108864 "$device" /dev/zero || die "discarded range"

for type in ext4 xfs; do
  step "$type: make, mount, verify, trim, check"
  case $type in
    ext4) mkfs.ext4 -q -F "$device" ;;
    xfs) mkfs.xfs -q -f "$device" ;;
  esac
  mount "$device" /mnt/v
  fio_verify /mnt/v/file --size=32m
  refused detach vol
  grep -q 'in use' /run/refused.log || die "no word about the use: $(cat /run/refused.log)"
  [ -b "$device" ] || die "a refused detach removed the device"
  cp -r /usr/share/doc/fio /mnt/v/doc
  sync
  rm /mnt/v/file
  fstrim /mnt/v
  umount /mnt/v
  mount "$device" /mnt/v
  diff -r /usr/share/doc/fio /mnt/v/doc || die "files differ after the remount"
  umount /mnt/v
  case $type in
    ext4) e2fsck -fn "$device" >/run/fsck.log || die "$(cat /run/fsck.log)" ;;
    xfs) xfs_repair -n "$device" >/run/fsck.log 2>&1 || die "$(cat /run/fsck.log)" ;;
  esac
done

step "detach, attach again: the data is there"
detach vol
ended
serve 1 --size 402653184 vol
device=$(device_of vol)
mount "$device" /mnt/v
diff -r /usr/share/doc/fio /mnt/v/doc || die "files differ after the detach"

step "detach --force takes a mounted device away"
detach --force vol
until_true 10 server_ended || die "server still runs"
refused dd if=/dev/urandom of=/mnt/v/new bs=1M count=1 oflag=direct
umount /mnt/v || umount -l /mnt/v
until_true 10 test ! -e /dev/ublkc0 || die "the device number was not freed"
step "a device of 4096-byte blocks refuses less"
serve 1 --size 67108864 --block-size 4096 big
device=$(device_of big)
[ "$(blockdev --getss "$device")" = 4096 ] || die "block size"
fio_verify "$device" --size=16m
refused dd if=/run/tail of="$device" bs=512 count=1 oflag=direct conv=notrunc
detach big
ended
