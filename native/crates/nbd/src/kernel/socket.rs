//! The generic netlink socket: one request at a time, answered by the kernel at once.

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A status of all devices is the largest answer: some 16 bytes for each.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

pub struct Socket {
    fd: OwnedFd,
    buffer: Box<[MaybeUninit<u8>]>,
}

impl Socket {
    pub fn open() -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: no memory is passed.
        let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_GENERIC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just opened, and owned by nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let socket = Self { fd, buffer: Box::new_uninit_slice(ANSWER_BYTES_MAX) };
        // Connected to the kernel (port 0): what any other process sends is dropped.
        let kernel = kernel_address();
        // SAFETY: an address and its length.
        let result = unsafe {
            let length = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
            libc::connect(socket.fd.as_raw_fd(), (&raw const kernel).cast(), length)
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
    }

    pub fn send(&self, message: &[u8]) -> io::Result<()> {
        // SAFETY: a buffer and its length.
        let sent =
            unsafe { libc::send(self.fd.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) };
        // A datagram goes whole or not at all.
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// One datagram; one that does not fit is an error, not a shorter datagram.
    pub fn receive(&mut self) -> io::Result<&[u8]> {
        loop {
            // SAFETY: a buffer and its length.
            let count = unsafe {
                let buffer = self.buffer.as_mut_ptr().cast();
                libc::recv(self.fd.as_raw_fd(), buffer, self.buffer.len(), libc::MSG_TRUNC)
            };
            if let Ok(count) = usize::try_from(count) {
                let filled = self.buffer.get(..count);
                let filled = filled.ok_or(io::ErrorKind::FileTooLarge)?;
                // SAFETY: the kernel wrote these bytes.
                return Ok(unsafe {
                    std::slice::from_raw_parts(filled.as_ptr().cast(), filled.len())
                });
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

fn kernel_address() -> libc::sockaddr_nl {
    // SAFETY: all zeros is a valid address: port 0, no groups.
    let mut address: libc::sockaddr_nl = unsafe { zeroed() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    address
}
