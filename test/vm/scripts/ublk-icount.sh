# Instructions per I/O (fio + kernel + server), for a guest started with --icount: there one guest
# nanosecond is one instruction. Prints a line per variant and shape of the load.
. "$SHOAL_ROOT/test/vm/scripts/lib.sh"
ios=${1:-2000}

# One job after the other in one fio: its start costs more than the I/O.
run_jobs() {
  jobs=
  for shape in $2; do
    size=${shape%%:*}; depth=${shape##*:}
    for direction in read write; do
      jobs="$jobs --name=$depth:$size:$direction --stonewall --rw=rand$direction --bs=$size"
      jobs="$jobs --iodepth=$depth"
    done
  done
  fio --eta=never --filename="$1" --ioengine=io_uring --direct=1 --number_ios="$ios" --size=64m \
    --io_size=1t --norandommap --randrepeat=1 --thread --output-format=terse --terse-version=3 \
    --output=/run/fio.terse $jobs || die "fio"
}

# Terse fields: 3 the job; 9 and 50 the run time in ms of its reads and of its writes.
report() {
  awk -F';' -v label="$1" -v n="$ios" '{
    printf "%s %s %.1f\n", label, $3, ($9 + $50) * 1000 / n }' /run/fio.terse
}

variant() {
  label=$1; shapes=$2; shift 2
  serve 1 --size 67108864 "$@" vol
  device=$(device_of vol)
  dd if=/dev/zero of="$device" bs=1M count=64 oflag=direct status=none
  run_jobs "$device" "$shapes"
  report "$label"
  detach vol >/dev/null
  ended
}

echo "variant depth:size:direction thousand-instructions-per-io"
variant null-user-copy '4k:1 4k:32' --null
variant null-buffers '4k:1 4k:32' --null --copy buffers
variant file-user-copy '4k:1 4k:32 128k:4'
variant file-buffers '4k:1 4k:32 128k:4' --copy buffers
