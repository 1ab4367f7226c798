# Several guest scripts in one guest, one after the other: starting a guest costs as much as most of
# them. The first that fails ends it, by its code.
#   several.sh SCRIPT...     names in this directory
set -u

scripts=$SHOAL_ROOT/test/vm/scripts
for name in "$@"; do
  read -r before rest </proc/uptime
  sh "$scripts/$name.sh" || { code=$?; echo "several: $name ended with $code"; exit $code; }
  read -r after rest </proc/uptime
  echo "several: $name took $((${after%.*} - ${before%.*})) s"
  # What one leaves in the guest's memory is no business of the next one.
  ! grep -q ' /mnt/v ' /proc/mounts || { echo "several: $name left /mnt/v mounted"; exit 1; }
  ! ls /dev/ublkc* 2>/dev/null || { echo "several: $name left a device"; exit 1; }
  rm -rf /dev/shm/* /run/shoal /run/server.* /run/enough /run/passes
done
