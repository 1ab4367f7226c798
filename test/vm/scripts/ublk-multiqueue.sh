# Many queues of several devices, all in one ring on one thread.
. "$SHOAL_ROOT/test/vm/scripts/lib.sh"

check() {
  serve 3 --size 67108864 --queues 2 "$@" a b c
  for name in a b c; do
    # fio below is pinned to each CPU in turn, so each of the queues has I/O to serve.
    for queue in 0 1; do
      cpus=$(cat "/sys/block/$(basename "$(device_of $name)")/mq/$queue/cpu_list")
      case $cpus in 0 | 1) ;; *) die "queue $queue of $name serves the CPUs $cpus" ;; esac
    done
  done
  [ "$(ls /proc/$server_pid/task | wc -l)" -le 2 ] || die "more threads than ring and control"
  jobs=
  for name in a b c; do
    for cpu in 0 1; do
      jobs="$jobs --name=$name$cpu --filename=$(device_of $name) --offset=$((cpu * 32))m"
      jobs="$jobs --cpus_allowed=$cpu"
    done
  done
  fio --eta=never --thread --size=4m --ioengine=io_uring --direct=1 --bs=8k --iodepth=16 \
    --rw=randwrite --verify=crc32c --verify_fatal=1 --output=/run/fio.log $jobs ||
    { cat /run/fio.log; die "fio"; }
  step "one is detached, the others go on"
  detach b
  fio_verify "$(device_of a)" --size=4m
  detach a
  fio_verify "$(device_of c)" --size=4m
  detach c
  ended
}

step "user copy"
check
step "a buffer per tag"
check --copy buffers

step "more queues than CPUs: the driver makes fewer, and says so"
serve 1 --size 67108864 --queues 64 many
"$server" list --dir "$dir" >/run/list
grep -q 'many Live Served queues=2$' /run/list || die "$(cat /run/list)"
kill_server
serve 1 many
fio_verify "$(device_of many)" --size=4m
detach many
ended
