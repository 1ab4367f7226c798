//! Random numbers of the operating system: nonces and ids, never decisions.

/// Fill from getrandom(2).
pub fn fill(bytes: &mut [u8]) {
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = &mut bytes[filled..];
        // SAFETY: the range is writable and its length is right.
        let count = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match count {
            1.. => filled += count as usize,
            _ => assert_eq!(
                std::io::Error::last_os_error().raw_os_error(),
                Some(libc::EINTR),
                "the system gives no randomness"
            ),
        }
    }
}

pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// A random number that is not zero.
pub fn number() -> u64 {
    u64::from_le_bytes(bytes()).max(1)
}
