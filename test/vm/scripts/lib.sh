# Shared by the guest scripts: start and stop the server under test.
# The server command is a parameter (SHOAL_VM_SERVER), so that the same scripts can drive another
# program with the command line of native/crates/ublk/examples/ublk-file.
. "$SHOAL_ROOT/test/vm/scripts/common.sh"

server=${SHOAL_VM_SERVER:-${CARGO_TARGET_DIR:-$SHOAL_ROOT/native/target}/debug/examples/ublk-file}
dir=/run/shoal/devices
back=/dev/shm/back
server_pid=

modprobe ublk_drv
mkdir -p "$back"

show_failure() { cat /run/server.log; }

# serve COUNT ARGS...: starts the server and waits until COUNT devices are ready.
serve() {
  wanted=$1; shift
  # Never in a pipeline: the server outlives this line.
  "$server" serve --dir "$dir" --back "$back" "$@" </dev/null >/run/server.out 2>>/run/server.log &
  server_pid=$!
  until_true 60 ready_or_ended "$wanted" || die "server is not ready: $*"
  all_ready "$wanted" || die "server ended: $*"
}

ready_or_ended() { all_ready "$1" || server_ended; }

all_ready() { [ "$(grep -c '^ready ' /run/server.out)" -ge "$1" ]; }

device_of() { awk -v name="$1" '$1 == "ready" && $2 == name { print $3 }' /run/server.out; }

kill_server() { kill -9 "$server_pid"; wait "$server_pid" 2>/dev/null || true; }

detach() { "$server" detach --dir "$dir" "$@"; }

server_ended() { ! kill -0 "$server_pid" 2>/dev/null; }

# The server ends by itself when its last device is detached.
ended() {
  until_true 10 server_ended || die "server still runs"
  wait "$server_pid" || die "server ended with $?"
  [ ! -e "$dir" ] || [ -z "$(ls -A "$dir")" ] || die "device files left: $(ls "$dir")"
  ! ls /dev/ublkc* >/dev/null 2>&1 || die "devices left: $(ls /dev/ublkc*)"
}
