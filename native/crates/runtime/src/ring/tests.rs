use std::time::Duration;

use io_uring::{opcode, types};

use super::{Reactor, mailbox};

#[test]
fn a_message_from_another_thread_wakes_the_reactor() {
    let (sender, mut inbox) = mailbox::<u32>().unwrap();
    let mut reactor = Reactor::<()>::new(8, inbox.wake_fd()).unwrap();
    let thread = std::thread::spawn(move || (0..1000).for_each(|i| sender.send(i)));
    let mut got = Vec::new();
    let mut done = Vec::new();
    while got.len() < 1000 {
        if reactor.wait(Some(Duration::from_secs(10)), &mut done).unwrap() {
            let batch = inbox.take();
            got.extend_from_slice(&batch);
            inbox.recycle(batch);
        }
    }
    thread.join().unwrap();
    assert!(got.iter().copied().eq(0..1000));
}

#[test]
fn more_operations_than_queue_entries_all_complete() {
    let (_sender, inbox) = mailbox::<()>().unwrap();
    let mut reactor = Reactor::<u32>::new(4, inbox.wake_fd()).unwrap();
    for tag in 0..500 {
        // SAFETY: a no-op has no pointers.
        unsafe { reactor.push(opcode::Nop::new().build(), tag) };
    }
    let mut done = Vec::new();
    while done.len() < 500 {
        reactor.wait(Some(Duration::from_secs(10)), &mut done).unwrap();
    }
    let mut tags: Vec<u32> = done.iter().map(|c| c.tag).collect();
    tags.sort_unstable();
    assert!(tags.into_iter().eq(0..500));
    assert_eq!(reactor.in_flight(), 0);
}

#[test]
fn a_cancelled_operation_completes_with_an_error() {
    let (_sender, inbox) = mailbox::<()>().unwrap();
    let (idle, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut reactor = Reactor::<Vec<u8>>::new(8, inbox.wake_fd()).unwrap();
    let mut buffer = vec![0u8; 16];
    let fd = types::Fd(std::os::fd::AsRawFd::as_raw_fd(&idle));
    let entry = opcode::Recv::new(fd, buffer.as_mut_ptr(), 16).build();
    // SAFETY: the heap memory of `buffer` moves into the tag.
    let key = unsafe { reactor.push(entry, buffer) };
    reactor.cancel(key);
    let mut done = Vec::new();
    while done.is_empty() {
        reactor.wait(Some(Duration::from_secs(10)), &mut done).unwrap();
    }
    assert_eq!(done[0].result, -libc::ECANCELED);
}
