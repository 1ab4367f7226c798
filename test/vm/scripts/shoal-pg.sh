# A database on a volume: pgbench runs while the data process under it is killed again and again. No
# I/O error, no failed transaction, and every index and table is sound afterwards.
. "$SHOAL_ROOT/test/vm/scripts/shoal-lib.sh"
kills=${SHOAL_VM_KILLS:-20}
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
data=/mnt/v/data

pg() { tool=$1; shift; runuser -u postgres -- env PGHOST=/run/pg "$bin/$tool" "$@"; }
show_failure() { tail -n 30 /run/pg/log; show_peers; }

step "ext4, a database cluster with checksums"
bring_up
attach p1 vol
mkfs.ext4 -q -F -E nodiscard "$device"
mount "$device" /mnt/v
mkdir -p /run/pg $data
chown postgres /run/pg $data
cd /run/pg
pg initdb -D $data --data-checksums --wal-segsize=1 --auth=trust --locale=C >/run/initdb.log 2>&1 ||
  die "initdb: $(cat /run/initdb.log)"
cat >>$data/postgresql.conf <<CONF
unix_socket_directories = '/run/pg'
listen_addresses = ''
shared_buffers = 4MB
min_wal_size = 8MB
max_wal_size = 32MB
checkpoint_timeout = 30s
jit = off
CONF
pg pg_ctl -D $data -l /run/pg/log -w -t 300 start >/run/start.log || die "start: $(cat /run/start.log)"
pg createdb bench || die "createdb"
pg pgbench -i -q -s 1 bench >/run/init.log 2>&1 || die "pgbench -i: $(cat /run/init.log)"

step "kill -9 of the data process $kills times in a row under pgbench"
rm -f /run/enough
(
  while [ ! -e /run/enough ]; do
    pg pgbench -n -c 4 -T 10 bench || exit 1
  done
) >/run/bench.log 2>&1 &
bench=$!
benched() { kill -0 $bench 2>/dev/null || die "pgbench: $(tail -n 20 /run/bench.log)"; }
killed_under_load "$kills" p1 "$device" benched
touch /run/enough
wait $bench || die "pgbench: $(tail -n 20 /run/bench.log)"
done_of() { awk -F: '/actually processed/ { sum += $2 } END { print sum + 0 }' /run/bench.log; }
failed_of() { awk -F: '/number of failed/ { sum += $2 } END { print sum + 0 }' /run/bench.log; }
[ "$(failed_of)" = 0 ] || die "$(failed_of) transactions failed"
[ "$(done_of)" -gt 0 ] || die "no transaction was done"
echo "$(done_of) transactions"
say_returns

sound() {
  pg pg_amcheck --install-missing --heapallindexed -d bench >/run/amcheck.log 2>&1 ||
    die "pg_amcheck: $(cat /run/amcheck.log)"
  # What pgbench moved: each transaction changes all three, and is written down.
  sums=$(pg psql -At -F ' ' bench -c 'select (select sum(abalance) from pgbench_accounts),
    (select sum(tbalance) from pgbench_tellers), (select sum(bbalance) from pgbench_branches),
    (select coalesce(sum(delta), 0) from pgbench_history), (select count(*) from pgbench_history)')
  set -- $sums
  [ "$1" = "$2" ] && [ "$1" = "$3" ] && [ "$1" = "$4" ] || die "sums differ: $sums"
  [ "$5" = "$(done_of)" ] || die "$(done_of) transactions were answered, $5 are there"
}

step "pg_amcheck, and the sums"
sound

step "power loss for the database: killed, recovered from its log, and checked again"
pg pg_ctl -D $data -m immediate -w stop >/dev/null || die "stop"
umount /mnt/v
e2fsck -fn "$device" >/run/fsck.log || die "$(cat /run/fsck.log)"
mount "$device" /mnt/v
pg pg_ctl -D $data -l /run/pg/log -w -t 300 start >/run/start.log || die "start: $(cat /run/start.log)"
sound
pg pg_ctl -D $data -w -t 300 stop >/dev/null || die "stop"
pg pg_checksums --check -D $data >/run/checksums.log 2>&1 || die "$(cat /run/checksums.log)"
cd /
umount /mnt/v
no_io_errors
detach p1 vol >/dev/null || die "detach: $(cat /run/call.err)"
step "done"
