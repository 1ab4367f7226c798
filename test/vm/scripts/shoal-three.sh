# A device over three peers: each block on all of them, over the network of the guest. Verified I/O, what
# it cost where, and kill -9 of the device's data process under it.
. "$SHOAL_ROOT/test/vm/scripts/shoal-lib.sh"
kills=${SHOAL_VM_KILLS:-20}
size=${SHOAL_VM_SIZE:-8m}

# How many groups have how many copies in sync: "3" alone is all of them.
copies() {
  call p1 state.get '{}' | grep -o '"in_sync":\[[^]]*\]' | awk -F, '{ n[NF]++ } END { for (c in n) print c }'
}
all_three() { [ "$(copies)" = 3 ]; }

step "three peers, all in sync"
bring_up
until_true 300 all_three || die "copies in sync: $(copies)"
attach p1 vol

step "$size of verified I/O"
for peer in $peers; do echo "$peer: CPU before, own and kernel's: $(cpu_of "$peer")"; done
began=$(ticks)
fio_verify "$device" --size="$size" --iodepth=8 --verify_backlog=64
echo "it took $(($(ticks) - began)) hundredths of a second"
for peer in $peers; do echo "$peer: CPU after: $(cpu_of "$peer")"; done
grep -E 'IOPS|clat.*avg|cpu ' /run/fio.log

step "ext4 on it, and $kills times kill -9 of the data process under verified I/O"
mkfs.ext4 -q -F -E nodiscard "$device"
mount "$device" /mnt/v
dd if=/dev/urandom of=/run/data bs=1M count=1 status=none
cp /run/data /mnt/v/data
sync -f /mnt/v
load /mnt/v/file --size=2m --iodepth=8 --verify_backlog=64
killed_under_load "$kills" p1 "$device" loaded
calm
say_returns
echo 3 >/proc/sys/vm/drop_caches
cmp /run/data /mnt/v/data || die "other data than was written"
no_io_errors
umount /mnt/v
e2fsck -fn "$device" >/run/fsck.log || die "$(cat /run/fsck.log)"
until_true 300 all_three || die "copies in sync: $(copies)"
until_true 20 detach p1 vol || die "detach: $(cat /run/call.err)"
step "done"
