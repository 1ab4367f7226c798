# Many queues of several devices, all in one ring on one thread.
. "$SHOAL_ROOT/test/vm/scripts/lib.sh"

check() {
  serve 3 --size 67108864 --queues 2 "$@" a b c
  [ "$(ls -d /sys/block/"$(basename "$(device_of a)")"/mq/* | wc -l)" = 2 ] || die "not two queues"
  [ "$(ls /proc/$server_pid/task | wc -l)" -le 2 ] || die "more threads than ring and control"
  pids=
  for name in a b c; do
    for cpu in 0 1; do
      fio --eta=never --name="$name$cpu" --filename="$(device_of $name)" --offset=$((cpu * 32))m --size=16m \
        --ioengine=io_uring --direct=1 --bs=8k --iodepth=16 --rw=randwrite --cpus_allowed=$cpu \
        --verify=crc32c --verify_fatal=1 --output="/run/fio.$name$cpu" &
      pids="$pids $!"
    done
  done
  for pid in $pids; do
    wait "$pid" || { cat /run/fio.*; die "fio"; }
  done
  for name in a b c; do
    for queue in 0 1; do
      # 16 MiB in 8 KiB writes and their reads went through each of the queues.
      [ -d "/sys/block/$(basename "$(device_of $name)")/mq/$queue/cpu$queue" ] ||
        die "queue $queue of $name serves another CPU"
    done
  done
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
