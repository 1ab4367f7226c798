//! Moving a request's data: by pread and pwrite on the device (user copy), so that it goes straight
//! from and to the memory where the caller wants it, or through the buffer of the tag.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use super::{Queue, Tag};
use crate::aligned_buffer::AlignedBuffer;
use crate::uapi;

impl Queue {
    /// The first `len` bytes of a held write, in memory that can go to sockets and O_DIRECT
    /// files as it is.
    pub fn take(&self, tag: u16, len: usize) -> io::Result<AlignedBuffer> {
        self.check(tag, 0, len);
        match &self.buffers {
            Some(buffers) => Ok(AlignedBuffer::copy_of(&buffers.slice(tag)[..len])),
            None => {
                let position = uapi::data_position(self.index, tag, 0);
                AlignedBuffer::read_exact_at(self.device.file(), position, len)
            }
        }
    }

    /// Fills `into` with the data of a held write from `offset` on.
    pub fn take_into(&self, tag: u16, offset: u32, into: &mut [u8]) -> io::Result<()> {
        self.check(tag, offset, into.len());
        match &self.buffers {
            Some(buffers) => {
                let from = &buffers.slice(tag)[offset as usize..][..into.len()];
                into.copy_from_slice(from);
                Ok(())
            }
            None => {
                let position = uapi::data_position(self.index, tag, offset);
                self.device.file().read_exact_at(into, position)
            }
        }
    }

    /// Like `take_into` from the first byte on, for memory that holds nothing yet: all of `into` is
    /// written when this succeeds.
    pub fn take_uninit(&self, tag: u16, into: &mut [MaybeUninit<u8>]) -> io::Result<()> {
        self.check(tag, 0, into.len());
        let Some(buffers) = &self.buffers else { return self.read_uninit(tag, into) };
        let from = &buffers.slice(tag)[..into.len()];
        for (slot, byte) in into.iter_mut().zip(from) {
            slot.write(*byte);
        }
        Ok(())
    }

    fn read_uninit(&self, tag: u16, into: &mut [MaybeUninit<u8>]) -> io::Result<()> {
        let mut done = 0;
        while done < into.len() {
            let rest = &mut into[done..];
            let position = uapi::data_position(self.index, tag, done as u32);
            // SAFETY: `rest` is writable memory of that length.
            let count = unsafe {
                let start = rest.as_mut_ptr().cast();
                libc::pread(self.device.as_raw_fd(), start, rest.len(), position as libc::off_t)
            };
            match count {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                1.. => done += count as usize,
                _ => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Hands `data` to a held read, from `offset` on. EVERY BYTE OF THE REQUEST MUST BE GIVEN
    /// before it is committed as done: what is not given shows old kernel memory to the reader.
    pub fn give(&mut self, tag: u16, offset: u32, data: &[u8]) -> io::Result<()> {
        self.check(tag, offset, data.len());
        match &mut self.buffers {
            Some(buffers) => {
                buffers.slice_mut(tag)[offset as usize..][..data.len()].copy_from_slice(data);
                Ok(())
            }
            None => {
                let position = uapi::data_position(self.index, tag, offset);
                self.device.file().write_all_at(data, position)
            }
        }
    }

    /// Like `give`, for data in several pieces and one system call.
    pub fn give_pieces(&mut self, tag: u16, offset: u32, pieces: &[IoSlice<'_>]) -> io::Result<()> {
        let len = pieces.iter().map(|piece| piece.len()).sum();
        self.check(tag, offset, len);
        if self.buffers.is_none() && self.write_vectored(tag, offset, pieces)? == len {
            return Ok(());
        }
        // A buffer per tag, or a short count: piece by piece.
        let mut position = offset;
        for piece in pieces {
            self.give(tag, position, piece)?;
            position += piece.len() as u32;
        }
        Ok(())
    }

    fn write_vectored(&self, tag: u16, offset: u32, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let position = uapi::data_position(self.index, tag, offset);
        // SAFETY: IoSlice has the layout of iovec, and the pieces outlive the call.
        let done = unsafe {
            libc::pwritev(
                self.device.as_raw_fd(),
                pieces.as_ptr().cast(),
                pieces.len().min(libc::UIO_MAXIOV as usize) as libc::c_int,
                position as libc::off_t,
            )
        };
        usize::try_from(done).map_err(|_| io::Error::last_os_error())
    }

    fn check(&self, tag: u16, offset: u32, len: usize) {
        assert_eq!(self.tags[usize::from(tag)], Tag::Held, "data of tag {tag} without request");
        let end = (offset as usize).checked_add(len).expect("a length in memory");
        assert!(end <= self.device.info().max_io_bytes as usize, "{end} bytes of data");
    }
}
