# What every guest script needs: steps, checks, waiting by the guest's clock, verified I/O. A script
# defines `show_failure`: what there is to see when something went wrong.
set -eu

mkdir -p /mnt/v
fio_pid=

# Hundredths of a second since the guest's start.
ticks() { read -r ticks rest </proc/uptime; ticks=${ticks%.*}${ticks#*.}; echo "${ticks#0}"; }
begin=$(ticks)

step() { echo "== $((($(ticks) - begin) / 100)) s: $*"; }
die() { echo "FAILED: $*"; show_failure; exit 1; }
refused() { if "$@" >/run/refused.log 2>&1; then die "must not succeed: $*"; fi; }

# until_true SECONDS COMMAND...: polls.
until_true() {
  deadline=$(($(ticks) + $1 * 100)); shift
  until "$@" >/dev/null 2>&1; do
    [ "$(ticks)" -lt $deadline ] || return 1
    sleep 0.1
  done
}

# fio_verify FILE ARGS...: random writes, each of them read back and compared.
fio_verify() {
  target=$1; shift
  fio --eta=never --name=verify --filename="$target" --ioengine=io_uring --direct=1 --bs=4k --iodepth=32 \
    --rw=randwrite --verify=crc32c --verify_fatal=1 --verify_backlog=256 --verify_state_save=0 \
    --output=/run/fio.log "$@" || { cat /run/fio.log; die "fio on $target"; }
}

# load FILE ARGS...: verified I/O in the background, again and again, until `calm`, which fails if any
# of it did.
load() {
  rm -f /run/enough
  : >/run/passes
  (while [ ! -e /run/enough ]; do fio_verify "$@"; echo pass; done) >/run/passes 2>&1 &
  fio_pid=$!
}
loaded() { kill -0 $fio_pid 2>/dev/null || die "I/O failed: $(cat /run/passes)"; }
calm() {
  touch /run/enough
  wait $fio_pid || die "I/O failed: $(cat /run/passes)"
  echo "$(grep -c '^pass$' /run/passes) passes of fio"
}

# What the kernel says of I/O errors on our devices since its start, or since `forgive`.
io_errors() { dmesg | grep -E 'I/O error|EXT4-fs error|XFS.*(error|shutdown)' | tail -n +$((forgiven + 1)); }
forgiven=0
forgive() { forgiven=$((forgiven + $(io_errors | wc -l))); }
no_io_errors() { [ -z "$(io_errors)" ] || die "the kernel saw errors: $(io_errors)"; }

# The smallest, the middle and the largest of the numbers in a file.
spread() { sort -n "$1" | awk '{ v[NR] = $1 } END { print NR, "times:", v[1], v[int((NR + 1) / 2)], v[NR] }'; }
