use bytes::Bytes;

use super::*;

#[test]
fn start_and_capacity_are_aligned() {
    for len in [0, 1, 4095, 4096, 4097, 1 << 20] {
        let buf = AlignedBuf::zeroed(len);
        assert_eq!((buf.len(), buf.as_ptr().addr() % BUFFER_ALIGN), (len, 0));
        assert_eq!(buf.capacity(), len.max(1).next_multiple_of(BUFFER_ALIGN));
        assert!(buf.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn appended_bytes_are_kept_in_order() {
    let mut buf = AlignedBuf::with_capacity(8192);
    buf.extend_from_slice(&[1; 4096]);
    buf.extend_zeros(96);
    buf.extend_from_slice(&[2; 4000]);
    assert_eq!(buf.remaining(), 0);
    assert_eq!((buf[4095], buf[4096], buf[4191], buf[4192]), (1, 0, 0, 2));
    buf.truncate(4096);
    assert!(is_aligned(&buf));
    buf.clear();
    assert!(buf.is_empty());
}

#[test]
#[should_panic(expected = "is full")]
fn a_buffer_never_grows() {
    AlignedBuf::zeroed(4096).extend_from_slice(&[0]);
}

#[test]
fn spare_memory_is_taken_in_by_set_len() {
    let mut buf = AlignedBuf::from_slice(b"abc");
    let spare = buf.spare_mut();
    assert_eq!(spare.len(), 4093);
    spare[0].write(b'd');
    // SAFETY: byte 3 was just written.
    unsafe { buf.set_len(4) };
    assert_eq!(&buf[..], b"abcd");
}

#[test]
fn frozen_slices_share_the_aligned_memory() {
    let mut buf = AlignedBuf::with_capacity(8192);
    buf.extend_from_slice(&[7; 8192]);
    let address = buf.as_ptr();
    let bytes: Bytes = buf.into();
    assert_eq!(bytes.as_ptr(), address);
    let second = bytes.slice(4096..);
    drop(bytes);
    assert!(is_aligned(&second) && second.iter().all(|byte| *byte == 7));
    assert!(!is_aligned(&second[1..]) && !is_aligned(&second[..100]));
    assert!(AlignedBuf::with_capacity(1).freeze().is_empty());
}

#[test]
fn a_pool_gives_the_same_memory_again() {
    let pool = BufferPool::new(64 << 10);
    let mut first = pool.take(5000);
    assert_eq!(first.capacity(), 8192);
    first.extend_from_slice(b"x");
    let address = first.as_ptr();
    let slice = first.freeze().slice(..1);
    assert_eq!(pool.idle_bytes(), 0, "a slice keeps the memory");
    drop(slice);
    assert_eq!(pool.idle_bytes(), 8192);
    let second = pool.take(8192);
    assert_eq!((second.as_ptr(), second.len(), pool.idle_bytes()), (address, 0, 0));
}

#[test]
fn a_pool_is_bounded_and_may_go_first() {
    let pool = BufferPool::new(16 << 10);
    let held: Vec<_> = (0..8).map(|_| pool.take(4096)).collect();
    drop(held);
    assert_eq!(pool.idle_bytes(), 16 << 10);
    let large = pool.take(3 << 20);
    drop(large);
    assert_eq!(pool.idle_bytes(), 16 << 10, "what is larger than the classes is not kept");
    let last = pool.take(4096);
    assert_eq!(pool.idle_bytes(), 12 << 10);
    drop(pool);
    assert_eq!(last.capacity(), 4096);
}

#[test]
fn buffers_of_a_pool_may_be_dropped_on_any_thread() {
    let pool = BufferPool::new(1 << 20);
    let frozen: Vec<Bytes> = (0..64u8)
        .map(|i| {
            let mut buf = pool.take(4096);
            buf.extend_from_slice(&[i; 4096]);
            buf.freeze()
        })
        .collect();
    let clones = frozen.clone();
    let thread = std::thread::spawn(move || drop(clones));
    drop(frozen);
    thread.join().expect("dropping is safe");
    assert_eq!(pool.idle_bytes(), 64 * 4096);
}
