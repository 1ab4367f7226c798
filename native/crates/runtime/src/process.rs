//! Starting the data process, and telling the service manager about it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// `PR_SET_IO_FLUSHER`: memory the process allocates must not wait for write-back to itself.
const PR_SET_IO_FLUSHER: libc::c_int = 57;
/// As little as a root process may be chosen by the out-of-memory killer, short of never.
const OOM_SCORE_ADJUST: &[u8] = b"-900";

/// Start the data process: a session of its own, stdio to `log_path` (appended), every thread
/// marked as an I/O flusher because the mark is set before exec. Returns its pid.
/// Marks that need privileges we lack are left out: an unprivileged peer serves NBD, no device.
pub fn spawn_data(argv: &[String], env: &[(String, String)], log_path: &str) -> io::Result<u32> {
    let (program, arguments) =
        argv.split_first().ok_or_else(|| io::Error::other("the command line is empty"))?;
    let log = OpenOptions::new().create(true).append(true).open(log_path)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(env.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    // SAFETY: only async-signal-safe calls between fork and exec.
    unsafe { command.pre_exec(prepare_child) };
    let mut child = command.spawn()?;
    let pid = child.id();
    // Reaped by a thread that does nothing else: a dead child must not look alive as a zombie.
    std::thread::Builder::new().name("reap-data".into()).spawn(move || child.wait())?;
    Ok(pid)
}

fn prepare_child() -> io::Result<()> {
    // SAFETY: plain system calls without pointers to memory that could move.
    unsafe {
        libc::setsid();
        libc::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
        let path = c"/proc/self/oom_score_adj";
        let fd = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if fd >= 0 {
            libc::write(fd, OOM_SCORE_ADJUST.as_ptr().cast(), OOM_SCORE_ADJUST.len());
            libc::close(fd);
        }
    }
    Ok(())
}

/// The last call of a data process that stopped in order: everything it had to write is written.
/// NO DESTRUCTORS: those of the libraries would run while other threads still use them, and abort.
pub fn leave(code: i32) -> ! {
    // SAFETY: ends the process; nothing of it is used afterwards.
    unsafe { libc::_exit(code) }
}

/// Send `state` ("READY=1", "STOPPING=1", …) to the service manager named by `socket`
/// (`NOTIFY_SOCKET`; a leading `@` is the abstract name space). Source: sd_notify(3).
pub fn notify(socket: &str, state: &str) -> io::Result<()> {
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

/// Who is at the other end of a unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCredentials {
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}

/// `SO_PEERCRED` of an open unix socket.
pub fn peer_credentials(fd: RawFd) -> io::Result<PeerCredentials> {
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: place and length of the result are right.
    let status = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &mut length,
        )
    };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(PeerCredentials { pid: credentials.pid, uid: credentials.uid, gid: credentials.gid })
}

/// Hold the lock of a peer directory until the returned file is dropped: two data processes must
/// never open the same stores. `Ok(None)`: another process holds it.
pub fn lock_directory(dir: &std::path::Path) -> io::Result<Option<File>> {
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("data.lock"))?;
    // SAFETY: flock takes no pointers.
    let status = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
    if status == 0 {
        return Ok(Some(file));
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::EWOULDBLOCK) { Ok(None) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_manager_hears_the_state_word_for_word() {
        let unique = format!("shoal-notify-{}", std::process::id());
        let path = std::env::temp_dir().join(&unique);
        let by_path = UnixDatagram::bind(&path).unwrap();
        let abstract_name = SocketAddr::from_abstract_name(&unique).unwrap();
        let by_name = UnixDatagram::bind_addr(&abstract_name).unwrap();
        notify(path.to_str().unwrap(), "READY=1").unwrap();
        notify(&format!("@{unique}"), "STOPPING=1\nSTATUS=done").unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut bytes = [0; 64];
        let heard = [by_path, by_name].map(|socket| {
            let length = socket.recv(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes[..length]).into_owned()
        });
        assert_eq!(heard, ["READY=1", "STOPPING=1\nSTATUS=done"]);
    }
}
