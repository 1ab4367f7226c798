# A server that no longer answers: detach --force waits for what it holds, and goes through as soon
# as the server is killed; waiting I/O then fails, and nothing stays behind.
. "$SHOAL_ROOT/test/vm/scripts/lib.sh"

serve 1 --size 67108864 --queues 2 vol
device=$(device_of vol)
kill -STOP "$server_pid"
dd if=/dev/zero of="$device" bs=4k count=1 oflag=direct conv=notrunc status=none 2>/run/dd.log &
writer=$!
sleep 0.5
detach --force vol >/run/detach.log 2>&1 &
detacher=$!
sleep 2
kill -0 $detacher 2>/dev/null || die "did not wait for the request: $(cat /run/detach.log)"
kill -0 $writer 2>/dev/null || die "the write was not held: $(cat /run/dd.log)"

step "the server is killed"
kill_server
wait $detacher || die "detach: $(cat /run/detach.log)"
if wait $writer; then die "the write cannot have been done"; fi
until_true 10 test ! -e "$device" || die "$device is still there"
[ -z "$(ls -A "$dir")" ] || die "device files left"

step "a killed server, and I/O that waits for the next: detach fails the I/O"
serve 1 --size 67108864 vol
device=$(device_of vol)
kill_server
dd if="$device" of=/dev/null bs=4k count=1 iflag=direct status=none 2>/run/dd.log &
reader=$!
sleep 1
kill -0 $reader 2>/dev/null || die "the read did not wait: $(cat /run/dd.log)"
detach vol
if wait $reader; then die "the read cannot have been done"; fi
