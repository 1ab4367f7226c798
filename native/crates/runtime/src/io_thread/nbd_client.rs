//! One NBD client on the ring: at most one receive and one send in flight.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd};

use io_uring::{opcode, types};
use shoal_nbd::Connection;

use crate::ring::Reactor;
use crate::tag::Tag;

/// Parts of one send.
const SEND_PARTS_MAX: usize = 64;

/// Heap memory that the kernel reads while an operation is in flight.
struct Vectors {
    recv: [libc::iovec; 2],
    send: [libc::iovec; SEND_PARTS_MAX],
    send_header: libc::msghdr,
}

pub struct NbdClient {
    socket: OwnedFd,
    pub connection: Connection,
    vectors: Box<Vectors>,
    receiving: bool,
    sending: bool,
    /// The socket failed or was closed: nothing more is received or sent.
    dead: bool,
}

impl NbdClient {
    pub fn new(socket: OwnedFd, connection: Connection) -> Self {
        let empty = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        // SAFETY: all zeros is a valid empty message header.
        let send_header = unsafe { std::mem::zeroed() };
        let vectors = Vectors { recv: [empty; 2], send: [empty; SEND_PARTS_MAX], send_header };
        Self {
            socket,
            connection,
            vectors: Box::new(vectors),
            receiving: false,
            sending: false,
            dead: false,
        }
    }

    /// Start what can be started. `key` names this client in completions; it must stay boxed or
    /// otherwise unmoved in its parts that the kernel sees (they are on the heap). `leaving`: it
    /// is about to move to another thread, nothing more is received here.
    pub fn pump(&mut self, key: usize, reactor: &mut Reactor<Tag>, leaving: bool) {
        if !self.dead && self.connection.finished().is_some() {
            self.close();
        }
        if self.dead {
            return;
        }
        self.start_send(key, reactor);
        if !leaving {
            self.start_recv(key, reactor);
        }
    }

    fn start_recv(&mut self, key: usize, reactor: &mut Reactor<Tag>) {
        if self.receiving {
            return;
        }
        let Some(targets) = self.connection.recv_targets() else { return };
        let mut parts = 0;
        for target in targets.into_iter().filter(|t| !t.is_empty()) {
            self.vectors.recv[parts] =
                libc::iovec { iov_base: target.as_mut_ptr().cast(), iov_len: target.len() };
            parts += 1;
        }
        let fd = types::Fd(self.socket.as_raw_fd());
        let entry = opcode::Readv::new(fd, self.vectors.recv.as_ptr().cast(), parts as u32).build();
        // SAFETY: the connection keeps its targets in place until `received`, and the client is
        // kept until the completion came.
        unsafe { reactor.push(entry, Tag::NbdRecv(key)) };
        self.receiving = true;
    }

    fn start_send(&mut self, key: usize, reactor: &mut Reactor<Tag>) {
        if self.sending {
            return;
        }
        let mut slices = [IoSlice::new(&[]); SEND_PARTS_MAX];
        let count = self.connection.slices(&mut slices);
        if count == 0 {
            return;
        }
        for (part, slice) in self.vectors.send.iter_mut().zip(&slices[..count]) {
            *part =
                libc::iovec { iov_base: slice.as_ptr().cast_mut().cast(), iov_len: slice.len() };
        }
        self.vectors.send_header.msg_iov = self.vectors.send.as_mut_ptr();
        self.vectors.send_header.msg_iovlen = count as _;
        let fd = types::Fd(self.socket.as_raw_fd());
        let entry = opcode::SendMsg::new(fd, (&raw const self.vectors.send_header).cast())
            .flags((libc::MSG_NOSIGNAL | libc::MSG_WAITALL) as u32)
            .build();
        // SAFETY: the connection keeps what it showed in place until `advance`; the vectors are on
        // the heap; the client is kept until the completion came.
        unsafe { reactor.push(entry, Tag::NbdSend(key)) };
        self.sending = true;
    }

    /// A receive ended.
    pub fn on_recv(&mut self, result: i32) {
        self.receiving = false;
        match result {
            // SAFETY: the kernel wrote so many bytes to the targets given to it.
            1.. if !self.dead => unsafe { self.connection.received(result as usize) },
            0 => self.close(),
            _ if is_passing(result) => {}
            _ => self.close(),
        }
    }

    /// A send ended.
    pub fn on_send(&mut self, result: i32) {
        self.sending = false;
        match result {
            0.. => self.connection.advance(result as usize),
            _ if is_passing(result) => {}
            _ => self.close(),
        }
    }

    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// Nothing of it is in the kernel's hands: it may be moved to another thread or dropped.
    pub fn is_quiet(&self) -> bool {
        !self.receiving && !self.sending
    }

    /// Both ways at once; operations in flight end with an error or zero.
    pub fn close(&mut self) {
        if !self.dead {
            self.dead = true;
            // SAFETY: the descriptor is open; shutting a socket down twice is harmless.
            unsafe { libc::shutdown(self.socket.as_raw_fd(), libc::SHUT_RDWR) };
        }
    }

    /// Take it apart, to go on with it on another thread.
    pub fn into_parts(self) -> (OwnedFd, Connection) {
        assert!(self.is_quiet(), "the kernel still works on this client");
        (self.socket, self.connection)
    }
}

fn is_passing(result: i32) -> bool {
    matches!(-result, libc::EINTR | libc::EAGAIN)
}
