# kill -9 of the server under verifying I/O, again and again: no error, every byte right.
. "$SHOAL_ROOT/test/vm/scripts/lib.sh"
kills=${1:-5}
queues=2

serve 1 --size 134217728 --queues $queues vol
device=$(device_of vol)
mkfs.ext4 -q -F "$device"
mount "$device" /mnt/v

step "$kills kills under fio"
load /mnt/v/file --size=32m --iodepth=16 --verify_backlog=512
round=0
while [ $round -lt "$kills" ]; do
  sleep 1
  loaded
  kill_server
  serve 1 vol
  round=$((round + 1))
done
calm

step "killed at every step of the recovery, then recovered"
dd if=/dev/urandom of=/run/data bs=1M count=8 status=none
for stage in begin open fetch map; do
  kill_server
  # I/O that waits through both deaths.
  dd if=/run/data of=/mnt/v/copy bs=1M oflag=direct conv=fsync status=none &
  writer=$!
  "$server" serve --dir "$dir" --back "$back" --die-after $stage vol </dev/null \
    >/run/server.out 2>>/run/server.log && die "did not die at $stage"
  serve 1 vol
  wait $writer || die "write failed across a death at $stage"
  cmp /run/data /mnt/v/copy || die "wrong data after a death at $stage"
  rm /mnt/v/copy
done

step "the file system is sound"
umount /mnt/v
e2fsck -fn "$device" >/run/fsck.log || die "$(cat /run/fsck.log)"

step "detach without a server"
kill_server
detach vol
ended_by_kill() { [ -z "$(ls -A "$dir")" ] && ! ls /dev/ublkc* >/dev/null 2>&1; }
ended_by_kill || die "left: $(ls "$dir" /dev/ublkc*)"

step "a server that died before the start leaves nothing that the next does not sweep"
for stage in add open fetch map; do
  "$server" serve --dir "$dir" --back "$back" --size 134217728 --die-after $stage vol </dev/null \
    >/run/server.out 2>>/run/server.log && die "did not die at $stage"
  ls /dev/ublkc* >/dev/null || die "no device left by a death at $stage"
  serve 1 --size 134217728 vol
  [ "$(ls /dev/ublkc* | wc -l)" = 1 ] || die "a dead device stayed after a death at $stage"
  detach vol
  ended
done

step "another owner's devices are left alone"
serve 1 --size 134217728 vol
dir=/run/shoal/others
"$server" list --dir "$dir" | grep -q 'Foreign' || die "not seen as foreign"
refused detach vol
dir=/run/shoal/devices
detach vol
ended
