# A volume is taken over while the peer that has it as a device is dead, by the command line. The device
# answers EIO when its peer is back, until it is detached: what the kernel kept for it never arrives.
. "$SHOAL_ROOT/test/vm/scripts/program-lib.sh"
shape='--peers 2 --disks 1 --no-volume'

step "two peers, a volume; the second one has it"
up
ok volume create db --size 256MiB
on p2
ok attach db
fenced=$(readlink $links/db) || die "no link"
mkfs.ext4 -q -F -E nodiscard "$fenced"
mount "$fenced" /mnt/v
echo before >/mnt/v/file
sync -f /mnt/v

step "it dies with dirty pages in the kernel; the first one takes over, and writes"
dd if=/dev/urandom of=/mnt/v/dirty bs=1M count=8 status=none
ok demo kill p2 --dir $dir
on p1
rejected 'takeover' attach db
# The link still leads to the living device of the other daemon of this machine.
rm $links/db
ok attach db --takeover
newer=$(readlink $links/db) || die "no link"
[ "$newer" != "$fenced" ] || die "the same device"
dd if=/dev/urandom of=/run/data bs=1M count=2 status=none
dd if=/run/data of="$newer" bs=1M seek=200 oflag=direct status=none
sum() { dd if="$newer" bs=1M iflag=direct status=none | sha256sum; }
sum_before=$(sum)

step "the second one comes back: EIO to everything, and not a byte of it arrives"
ok demo start p2 --dir $dir
on p2
is_fenced() { shoal device list && grep -q 'fenced' /run/out; }
until_true 300 is_fenced || die "not fenced"
refused dd if="$fenced" of=/dev/null bs=4k count=1 iflag=direct
refused dd if=/dev/zero of="$fenced" bs=4k count=1 oflag=direct conv=notrunc
sync -f /mnt/v 2>/dev/null || true
[ -n "$(io_errors)" ] || die "the dirty pages went somewhere"
[ "$(sum)" = "$sum_before" ] || die "a fenced device changed the volume"
ok volume show db
grep -q 'fenced' /run/out || die "volume show does not say it"
rejected 'detach' attach db --takeover

step "detached, it is gone; attached again it has the newer data"
umount -l /mnt/v
ok detach db
[ ! -e "$fenced" ] || die "$fenced is still there"
[ "$(sum)" = "$sum_before" ] || die "the detach changed the volume"
on p1
ok detach db
on p2
ok attach db
dd if="$(readlink $links/db)" bs=1M skip=200 count=2 iflag=direct status=none | cmp - /run/data ||
  die "the newer data"
ok demo down --dir $dir
! ls /dev/ublkc* $links/* 2>/dev/null || die "devices left"
step "done"
