# A device attached read-only takes no write, not even from one who makes it writable by ioctl.
. "$SHOAL_ROOT/test/vm/scripts/lib.sh"

serve 1 --size 67108864 vol
mkfs.ext4 -q -F "$(device_of vol)"
detach vol
ended
sum=$(sha256sum <"$back/vol")

serve 1 --size 67108864 --read-only vol
device=$(device_of vol)
[ "$(blockdev --getro "$device")" = 1 ] || die "the kernel does not know that it is read-only"
refused dd if=/dev/zero of="$device" bs=4k count=1 oflag=direct conv=notrunc
refused blkdiscard "$device"
mount -o ro,noload "$device" /mnt/v
ls -d /mnt/v/lost+found
umount /mnt/v
blockdev --setrw "$device"
refused dd if=/dev/zero of="$device" bs=4k count=1 oflag=direct conv=notrunc

step "also after a recovery"
kill_server
serve 1 vol
[ "$(blockdev --getro "$device")" = 1 ] || die "writable after the recovery"
dd if="$device" of=/dev/null bs=1M iflag=direct status=none
[ "$(sha256sum <"$back/vol")" = "$sum" ] || die "the volume changed"
detach vol
ended
