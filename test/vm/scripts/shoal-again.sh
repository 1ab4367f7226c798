# What comes again: an attach while the device's recovery fails, a volume that was taken over and whose
# fenced device is still there, and the index of a fenced nbd device.
. "$SHOAL_ROOT/test/vm/scripts/shoal-lib.sh"

again='{"volume":"vol","via":"ublk","read_only":false,"queues":0,"takeover":false}'

step "two peers"
bring_up
dd if=/dev/urandom of=/run/data bs=1M count=2 status=none

# asked_while_hidden FILE: mounted, its process dies, and the next one cannot get at the device without
# this file of the kernel. Whoever asks for the device again is told so; it goes on waiting.
asked_while_hidden() {
  mount "$device" /mnt/v
  kill_peer p1
  mv "$1" /dev/hidden
  start p1
  refused call p1 volume.attach "$again"
  mv /dev/hidden "$1"
  answers "$device" || die "it is not served again: $(call p1 device.list '{}')"
  umount /mnt/v
  mount "$device" /mnt/v
  cmp /run/data /mnt/v/before || die "what was acknowledged is gone"
  umount /mnt/v
  no_io_errors
}

step "a file system"
attach p1 vol
mkfs.ext4 -q -F -E nodiscard "$device"
mount "$device" /mnt/v
cp /run/data /mnt/v/before
umount /mnt/v

step "asked for again while it cannot be opened"
asked_while_hidden "$(echo "$device" | sed 's/ublkb/ublkc/')"
grep -q 'no device' /run/call.err || die "another answer: $(cat /run/call.err)"

step "asked for again while the next process cannot look for it"
asked_while_hidden /dev/ublk-control

step "taken over, written elsewhere, and back: the old device answers EIO, the export serves"
fenced=$device
attach p2 vol ublk false 0 true
dd if=/run/data of="$device" bs=1M seek=40 oflag=direct status=none
until_true 180 shows p1 '"state":"fenced"' || die "not fenced: $(call p1 device.list '{}')"
detach p2 vol >/dev/null || die "detach: $(cat /run/call.err)"
call p1 export.create '{"volume":"vol","kind":"nbd","socket":null,"takeover":false}' >/dev/null ||
  die "export: $(cat /run/call.err)"
served() { timeout 120 qemu-img convert -f raw -O raw "$nbd" /run/copy; }
nbd="nbd+unix:///vol?socket=$cluster/p1/run/nbd.sock"
served || die "the export does not serve: $(call p1 device.list '{}')"
dd if=/run/copy bs=1M skip=40 count=2 status=none | cmp - /run/data || die "not what p2 wrote"
refused dd if="$fenced" of=/dev/null bs=4k count=1 iflag=direct
refused dd if=/dev/zero of="$fenced" bs=4k count=1 oflag=direct conv=notrunc

step "the old device is detached, the export goes on"
detach p1 vol >/dev/null || die "detach: $(cat /run/call.err)"
until_true 20 test ! -e "$fenced" || die "$fenced is still there"
served || die "the export went with it"

step "a fenced nbd device whose index another one has by now: its detach leaves that one alone"
modprobe nbd nbds_max=2
attach p1 vol nbd
fenced=$device
attach p2 vol nbd false 0 true
until_true 180 shows p1 '"state":"fenced"' || die "not fenced: $(call p1 device.list '{}')"
# Made before the old one was disconnected, it has the next index; its successor gets the free one.
if [ "$device" != "$fenced" ]; then
  until_true 60 test ! -e "/sys/block/$(basename "$fenced")/backend" || die "still connected"
  detach p2 vol >/dev/null || die "detach: $(cat /run/call.err)"
  attach p2 vol nbd
fi
[ "$device" = "$fenced" ] || die "the kernel gave $device, not $fenced"
detach p1 vol >/dev/null || die "detach: $(cat /run/call.err)"
# A device that was disconnected is one of no bytes.
[ "$(dd if="$device" bs=4k count=1 iflag=direct status=none | wc -c)" = 4096 ] ||
  die "another peer's device went with it"
detach p2 vol >/dev/null || die "detach: $(cat /run/call.err)"
step "done"
