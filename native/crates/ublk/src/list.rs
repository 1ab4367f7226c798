//! Which ublk devices exist, whoever made them.

use std::io;
use std::path::Path;

/// The driver's class directory: one entry `ublkcN` per device.
pub const CLASS_DIR: &str = "/sys/class/ublk-char";

/// Numbers of all devices, ascending. No directory: no driver, so no device.
pub fn devices(class_dir: &Path) -> io::Result<Vec<u32>> {
    let entries = match std::fs::read_dir(class_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("ublkc"));
        numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_device_names_count() {
        let dir = std::env::temp_dir().join(format!("shoal-ublk-list-{}", std::process::id()));
        assert_eq!(devices(&dir).unwrap(), Vec::<u32>::new());
        std::fs::create_dir(&dir).unwrap();
        for name in ["ublkc10", "ublkc2", "ublkb3", "ublkc", "ublkc-1", "x"] {
            std::fs::write(dir.join(name), "").unwrap();
        }
        assert_eq!(devices(&dir).unwrap(), [2, 10]);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
