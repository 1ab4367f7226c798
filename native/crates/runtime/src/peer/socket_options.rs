//! What the kernel is told about a connection between peers.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;

/// What was sent and nobody acknowledged for so long ends the connection, milliseconds. Otherwise the pauses
/// between the kernel's tries double up to two minutes, and a network that works again is not used.
const UNACKNOWLEDGED_MAX_MS: libc::c_int = 5_000;
/// Silence after which the kernel asks whether the other host is there, seconds: it may have lost its power.
const KEEPALIVE_AFTER_S: libc::c_int = 5;
const KEEPALIVE_EVERY_S: libc::c_int = 2;
const KEEPALIVE_TRIES: libc::c_int = 3;

/// Small frames leave at once, and a host that is silently gone is noticed, by both ends.
pub fn set_options(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    set(socket, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)?;
    let tcp = |option, value| set(socket, libc::IPPROTO_TCP, option, value);
    tcp(libc::TCP_KEEPIDLE, KEEPALIVE_AFTER_S)?;
    tcp(libc::TCP_KEEPINTVL, KEEPALIVE_EVERY_S)?;
    tcp(libc::TCP_KEEPCNT, KEEPALIVE_TRIES)?;
    tcp(libc::TCP_USER_TIMEOUT, UNACKNOWLEDGED_MAX_MS)
}

fn set(
    socket: &TcpStream,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes of `value`.
    let status = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length)
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
