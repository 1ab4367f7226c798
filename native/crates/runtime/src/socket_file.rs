//! Unix sockets in the file system, and what may be in their place.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// Listens at `path`. A socket that a killed process left there is replaced. ANYTHING ELSE IS LEFT ALONE:
/// a path is what somebody wrote into a settings file, and may be mistaken.
pub fn listen(path: &Path, mode: u32) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(refusal(io::ErrorKind::AlreadyExists, path, "is no socket"));
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            return Err(refusal(io::ErrorKind::AddrInUse, path, "is served by another process"));
        }
        Ok(_) => fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(listener)
}

fn refusal(kind: io::ErrorKind, path: &Path, why: &str) -> io::Error {
    io::Error::new(kind, format!("{} {why}: name another path", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_that_nobody_serves_is_replaced() {
        let dir = std::env::temp_dir().join(format!("shoal-socket-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("a");
        let first = listen(&path, 0o600).unwrap();
        assert_eq!(listen(&path, 0o600).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        drop(listen(&path, 0o660).unwrap());
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o660);
        let file = dir.join("precious");
        fs::write(&file, b"bytes").unwrap();
        std::os::unix::fs::symlink(&path, dir.join("link")).unwrap();
        for taken in [&file, &dir.join("link"), &dir] {
            let error = listen(taken, 0o600).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{}", taken.display());
        }
        assert_eq!(fs::read(&file).unwrap(), b"bytes");
        fs::remove_dir_all(&dir).unwrap();
    }
}
