//! What the system says of this process, from `/proc`; nothing where there is none.

use rustix::param::{clock_ticks_per_second, page_size};

/// Figures of this process.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Process {
    pub(super) cpu_seconds: f64,
    pub(super) resident_bytes: u64,
    pub(super) open_files: u64,
}

impl Process {
    /// As they are now.
    pub(super) fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let open_files = std::fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64);
        Self { open_files, ..Self::of(&stat, clock_ticks_per_second(), page_size() as u64) }
    }

    /// What a line of `/proc/PID/stat` says. The program's name, in parentheses, may hold anything.
    fn of(stat: &str, ticks: u64, page: u64) -> Self {
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // Fields 14 (user), 15 (system) and 24 (resident pages), as proc_pid_stat(5) counts them; `rest` begins with field 3.
        let number = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        #[allow(clippy::cast_precision_loss)]
        let cpu_seconds = (number(14) + number(15)) as f64 / ticks.max(1) as f64;
        Self { cpu_seconds, resident_bytes: number(24) * page, open_files: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_whatever_the_program_is_called() {
        let line = "7 (tow) path (x) S 1 7 7 0 -1 4194304 10 0 0 0 150 50 0 0 20 0 4 0 100 1000000 300 18446744073709551615 0";
        let process = Process::of(line, 100, 4096);
        assert!((process.cpu_seconds - 2.0).abs() < 1e-9 && process.resident_bytes == 300 * 4096, "{process:?}");
        assert_eq!(Process::of("", 100, 4096).resident_bytes, 0);
        assert!(Process::now().open_files > 0 && Process::now().resident_bytes > 0);
    }
}
