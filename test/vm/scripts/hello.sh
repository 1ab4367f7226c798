# Proves the harness: what the guest is, and what its kernel offers.
set -eu
uname -r
grep -q ' / overlay ' /proc/mounts
modprobe -a ublk_drv nbd xfs
ls -l /dev/ublk-control /dev/nbd0
[ "${1:-}" != fail ] || exit 3
