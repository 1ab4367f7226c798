# Instructions per I/O (fio + kernel + server), for a guest started with --icount: there one guest
# nanosecond is one instruction. Prints one line per variant: name, read and write per I/O.
. "$SHOAL_ROOT/test/vm/scripts/lib.sh"
ios=${1:-4000}

# per_io DEVICE RW BS DEPTH
per_io() {
  fio --eta=never --name=x --filename="$1" --ioengine=io_uring --direct=1 --rw="$2" --bs="$3" --iodepth="$4" \
    --number_ios="$ios" --size=64m --norandommap --randrepeat=1 --output-format=terse \
    --terse-version=3 --output=/run/fio.terse || die "fio"
  # Run time in ms of reads is field 9, of writes field 50.
  case $2 in *read) field=9 ;; *) field=50 ;; esac
  awk -F';' -v f=$field -v n="$ios" '{ printf "%.1f", $f * 1000 / n }' /run/fio.terse
}

echo "variant depth size read write (thousand instructions per I/O)"
variant() {
  label=$1; shift
  serve 1 --size 67108864 "$@" vol
  device=$(device_of vol)
  dd if=/dev/zero of="$device" bs=1M count=64 oflag=direct status=none
  for shape in 4k:1 4k:32 128k:4; do
    size=${shape%%:*}; depth=${shape##*:}
    echo "$label $depth $size $(per_io "$device" randread "$size" "$depth")" \
      "$(per_io "$device" randwrite "$size" "$depth")"
  done
  detach vol
  ended
}

variant null-user-copy --null
variant null-buffers --null --copy buffers
variant file-user-copy
variant file-user-copy-fixed --fixed
variant file-buffers --copy buffers
