//! What this machine gives to the process.

use std::fs;
use std::path::Path;

/// Memory in bytes: the machine's, or less where a control group bounds it. `None` where `/proc`
/// does not tell.
pub fn memory_bytes() -> Option<u64> {
    let total = total_bytes(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    Some(bounds(&group, Path::new("/sys/fs/cgroup")).into_iter().fold(total, u64::min))
}

fn total_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Of the group (of version 2) that `membership` names, and of all that it lies in.
fn bounds(membership: &str, root: &Path) -> Vec<u64> {
    let Some(path) = membership.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return Vec::new();
    };
    let group = root.join(path);
    let within = group.ancestors().take_while(|dir| dir.starts_with(root));
    let bound = |dir: &Path| fs::read_to_string(dir.join("memory.max")).ok()?.trim().parse().ok();
    within.filter_map(bound).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_machine_and_groups_counts() {
        assert_eq!(
            total_bytes("MemFree: 1 kB\nMemTotal:       24606388 kB\n"),
            Some(24606388 << 10)
        );
        assert_eq!(total_bytes("MemTotal: many kB\n"), None);
        let root = std::env::temp_dir().join(format!("shoal-groups-{}", std::process::id()));
        let inner = root.join("system.slice/shoal.service");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("memory.max"), "max\n").unwrap();
        fs::write(root.join("system.slice/memory.max"), "4096\n").unwrap();
        let found = bounds("1:name=x:/\n0::/system.slice/shoal.service\n", &root);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, [4096]);
        assert!(bounds("1:name=x:/\n", &root).is_empty());
    }
}
