# Proves the harness: what the guest is, what its kernel offers, and that a failure is one.
# Ends with 4 when SHOAL_VM_SERVER names no program.
set -eu
uname -r
grep -q ' / overlay ' /proc/mounts
modprobe -a ublk_drv nbd xfs
ls -l /dev/ublk-control /dev/nbd0
[ -z "${SHOAL_VM_SERVER:-}" ] || [ -x "$SHOAL_VM_SERVER" ] || exit 4
