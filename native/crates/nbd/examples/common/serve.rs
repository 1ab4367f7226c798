//! One connection, one thread. Answers go out in reverse order of the requests that came in
//! together, and large reads in chunks, so that clients meet what the protocol allows.

use std::io::{self, IoSlice, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use shoal_nbd::{CloseReason, Command, Connection, Errno, Event, Export, Request, Tag};

use super::Disk;

/// Reads above this many bytes are answered in pieces of it.
const CHUNK_BYTES: u64 = 256 << 10;
const SLICES: usize = 64;

/// `disk` is given where nothing is negotiated. `None`: the client just went away.
pub fn serve(
    mut stream: UnixStream,
    mut connection: Connection,
    mut disk: Option<Arc<dyn Disk>>,
    disk_of: impl Fn(&Export) -> Arc<dyn Disk>,
) -> io::Result<Option<CloseReason>> {
    loop {
        while let Some(event) = connection.next_event() {
            match event {
                Event::Opened(export) => disk = Some(disk_of(&export)),
                Event::Request(request) => {
                    let disk = disk.as_deref().expect("opened before the first request");
                    answer_batch(&mut connection, disk, request);
                }
            }
        }
        send_all(&mut stream, &mut connection)?;
        if let Some(reason) = connection.finished() {
            return Ok(Some(reason));
        }
        // Sending may have let parked requests in.
        let idle = connection.in_flight() == 0;
        if idle && connection.recv_targets().is_some() && receive(&stream, &mut connection)? == 0 {
            return Ok(None);
        }
    }
}

fn answer_batch(connection: &mut Connection, disk: &dyn Disk, first: Request) {
    let mut batch = vec![first];
    while let Some(Event::Request(request)) = connection.next_event() {
        batch.push(request);
    }
    batch.into_iter().rev().for_each(|request| answer(connection, disk, request));
}

fn answer(connection: &mut Connection, disk: &dyn Disk, request: Request) {
    let Request { tag, offset, length, command } = request;
    let length = u64::from(length);
    let result = match command {
        Command::Read if length > CHUNK_BYTES && connection.can_chunk(tag) => {
            return read_in_chunks(connection, disk, tag, offset, length);
        }
        Command::Read => match disk.read(offset, length) {
            Ok(parts) => return connection.reply_read(tag, parts),
            Err(error) => Err(error),
        },
        Command::BlockStatus => {
            return connection.reply_block_status(tag, &disk.extents(offset, length));
        }
        Command::Write { data, .. } => disk.write(offset, &data),
        Command::Trim { .. } | Command::WriteZeroes { .. } => disk.zero(offset, length),
        Command::Flush | Command::Cache => Ok(()),
    };
    match result {
        Ok(()) => connection.reply_ok(tag),
        Err(_) => connection.reply_error(tag, Errno::Io),
    }
}

fn read_in_chunks(
    connection: &mut Connection,
    disk: &dyn Disk,
    tag: Tag,
    offset: u64,
    length: u64,
) {
    let end = offset + length;
    // Back to front: the client has to put them in order.
    let mut to = end;
    while to > offset {
        let from = offset.max(to.saturating_sub(CHUNK_BYTES));
        let mut at = from;
        match disk.read(from, to - from) {
            Err(_) => connection.read_chunk_error(tag, from, Errno::Io),
            Ok(parts) => parts.into_iter().for_each(|part| {
                let next = at + part.len();
                connection.read_chunk(tag, at, part);
                at = next;
            }),
        }
        to = from;
    }
    connection.reply_done(tag);
}

fn send_all(stream: &mut UnixStream, connection: &mut Connection) -> io::Result<()> {
    while connection.outgoing_bytes() > 0 {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = connection.slices(&mut slices);
        let sent = match stream.write_vectored(&slices[..count]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            sent => sent?,
        };
        connection.advance(sent);
    }
    Ok(())
}

/// One receive, straight into the payload under way and behind it into the staging area.
fn receive(stream: &UnixStream, connection: &mut Connection) -> io::Result<usize> {
    let targets = connection.recv_targets().expect("asked before");
    let vectors = targets
        .map(|target| libc::iovec { iov_base: target.as_mut_ptr().cast(), iov_len: target.len() });
    loop {
        // SAFETY: the targets are valid for writes of their length, and stay where they are.
        let count = unsafe { libc::readv(stream.as_raw_fd(), vectors.as_ptr(), 2) };
        if let Ok(count) = usize::try_from(count) {
            // SAFETY: the kernel wrote that many bytes to the targets, in order.
            unsafe { connection.received(count) };
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
