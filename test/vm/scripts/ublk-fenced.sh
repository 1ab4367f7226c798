# A device whose attachment was fenced while its server was dead answers EIO until it is detached.
. "$SHOAL_ROOT/test/vm/scripts/lib.sh"

serve 1 --size 134217728 vol
device=$(device_of vol)
mkfs.ext4 -q -F "$device"
mount "$device" /mnt/v
echo before >/mnt/v/file
sync
sum=$(sha256sum <"$back/vol")

step "dirty pages are waiting, the server dies, the volume goes elsewhere"
dd if=/dev/urandom of=/mnt/v/dirty bs=1M count=8 status=none
kill_server
sum=$(sha256sum <"$back/vol")
serve 1 --fence vol

step "every access fails, and nothing reaches the volume"
refused dd if="$device" of=/dev/null bs=4k count=1 iflag=direct
refused dd if=/dev/zero of="$device" bs=4k count=1 oflag=direct conv=notrunc
refused blkdiscard -f "$device"
sync -f /mnt/v 2>/dev/null || true
[ "$(sha256sum <"$back/vol")" = "$sum" ] || die "a fenced device changed the volume"

step "it stays fenced for the next server, which is not told so"
kill_server
serve 1 vol
refused dd if="$device" of=/dev/null bs=4k count=1 iflag=direct

step "detach is refused while mounted, and works by force"
refused detach vol
umount -l /mnt/v
until_true 10 detach vol || detach --force vol
until_true 10 server_ended || die "server still runs"
[ "$(sha256sum <"$back/vol")" = "$sum" ] || die "the detach changed the volume"

step "attached anew it serves again"
until_true 10 test ! -e "$device" || die "$device is still there"
serve 1 --size 134217728 vol
dd if="$(device_of vol)" of=/dev/null bs=4k count=1 iflag=direct status=none
detach vol
ended
