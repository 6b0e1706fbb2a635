//! System calls of time: clocks, the timer, and who goes first.

use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::OrderError;

/// A timer on an absolute schedule of the monotonic clock.
pub struct TimerFd(OwnedFd);

impl TimerFd {
    pub fn new() -> Result<Self, OrderError> {
        // SAFETY: plain system call; the result is checked and owned.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
        if fd < 0 {
            return Err(OrderError::system("timerfd_create"));
        }
        // SAFETY: just made.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Ring at `first_us` and every `period_us` from then on; 0 and 0: never.
    pub fn set(&self, first_us: u64, period_us: u64) {
        let spec = |us: u64| libc::timespec {
            tv_sec: (us / 1_000_000) as libc::time_t,
            tv_nsec: (us % 1_000_000 * 1000) as libc::c_long,
        };
        let value = libc::itimerspec { it_interval: spec(period_us), it_value: spec(first_us) };
        // SAFETY: value is valid for the call; the old one is not asked for.
        unsafe { libc::timerfd_settime(self.0.as_raw_fd(), libc::TFD_TIMER_ABSTIME, &value, std::ptr::null_mut()) };
    }

    pub fn clear(&self) {
        let mut count = [0u8; 8];
        // SAFETY: eight writable bytes.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), 8) };
    }

    pub fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    // SAFETY: spec is valid for the call.
    let spec = unsafe {
        let mut spec: libc::timespec = mem::zeroed();
        libc::clock_gettime(clock, &mut spec);
        spec
    };
    spec.tv_sec as u64 * 1_000_000_000 + spec.tv_nsec as u64
}

pub fn monotonic_us() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC) / 1000
}

pub fn unix_us() -> u64 {
    clock_ns(libc::CLOCK_REALTIME) / 1000
}

pub fn thread_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Ask to run before the control plane's threads; refused without the right (RLIMIT_NICE), and then all are equal.
pub fn prefer_this_thread() {
    // SAFETY: plain system call; 0 is the calling thread on Linux.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -10) };
}

/// Do something with timers of this thread, and of threads that are begun in it, ringing up to `ns` late, so that what
/// is due in that time is done at one waking.
pub fn with_timer_slack<T>(ns: u32, work: impl FnOnce() -> T) -> T {
    // SAFETY: plain system calls on the calling thread; where the first is refused, nothing is set back.
    let before = unsafe { libc::prctl(libc::PR_GET_TIMERSLACK) };
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, libc::c_ulong::from(ns)) };
    let done = work();
    if before > 0 {
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, before as libc::c_ulong) };
    }
    done
}

/// The same for the thread that has a clock to keep: the lowest real-time priority where the rights allow
/// (RLIMIT_RTPRIO, CAP_SYS_NICE), else as nice as can be; and timers that ring when they are due.
pub fn keep_time_on_this_thread() {
    // SAFETY: plain system calls on the calling thread; refusal leaves it as it was.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong);
        let param = libc::sched_param { sched_priority: 1 };
        if libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &param) != 0 {
            libc::setpriority(libc::PRIO_PROCESS, 0, -15);
        }
    }
}
