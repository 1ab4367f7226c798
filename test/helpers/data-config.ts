import { join } from 'node:path'

/** Settings of a data process which has `dir` to itself. */
export function dataConfig(dir: string) {
  return {
    dir,
    control_socket: join(dir, 'data.sock'),
    nbd_socket: join(dir, 'nbd.sock'),
    nbd_socket_mode: 0o660,
    device_dir: join(dir, 'devices'),
    listen: '127.0.0.1:0',
    io_threads: 1,
    memory_budget_bytes: 64 << 20,
    lease_ms: 2000,
  }
}
