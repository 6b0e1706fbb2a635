//! The system calls: namespaces, TUN devices, waiting with nanoseconds. All unsafe code of the emulator stands here.

use std::ffi::CString;
use std::fs::File;
use std::io::Error;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

fn failed(what: &str) -> String {
    format!("{what}: {}", Error::last_os_error())
}

pub fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A network namespace of one's own, with its loopback up.
pub fn new_namespace() -> Result<(), String> {
    // SAFETY: no memory is passed.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } < 0 {
        return Err(failed("a network namespace can't be made (root is needed)"));
    }
    set_up("lo", None)
}

pub fn enter(namespace: &str) -> Result<(), String> {
    let file = File::open(namespace).map_err(|error| format!("{namespace}: {error}"))?;
    // SAFETY: the descriptor is open.
    if unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) } < 0 {
        return Err(failed("the namespace can't be entered (root is needed)"));
    }
    Ok(())
}

fn request(name: &str) -> libc::ifreq {
    // SAFETY: all zeros is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from as libc::c_char;
    }
    request
}

/// Brings a device of the present namespace up.
fn set_up(name: &str, mtu: Option<i32>) -> Result<(), String> {
    // SAFETY: each ioctl gets an ifreq of its own kind; the descriptor is closed by its owner.
    unsafe {
        let raw = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if raw < 0 {
            return Err(failed("a socket"));
        }
        let socket = OwnedFd::from_raw_fd(raw);
        let mut wanted = request(name);
        if let Some(mtu) = mtu {
            wanted.ifr_ifru.ifru_mtu = mtu;
            if libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFMTU as _, &wanted) < 0 {
                return Err(failed(&format!("the MTU of {name}")));
            }
        }
        wanted = request(name);
        wanted.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        if libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &wanted) < 0 {
            return Err(failed(&format!("{name} up")));
        }
    }
    Ok(())
}

/// A TUN device in a namespace, up, not blocking. The caller is in that namespace afterwards. It ends with its descriptor.
pub fn tun(namespace: &str, name: &str, mtu: i32) -> Result<OwnedFd, String> {
    enter(namespace)?;
    let path = CString::new("/dev/net/tun").expect("no zero byte");
    // SAFETY: the path ends with zero; the descriptor has one owner; the ioctl gets an ifreq.
    let device = unsafe {
        let raw = libc::open(path.as_ptr(), libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC);
        if raw < 0 {
            return Err(failed("/dev/net/tun (modprobe tun; in a container: --device /dev/net/tun)"));
        }
        let device = OwnedFd::from_raw_fd(raw);
        let mut wanted = request(name);
        wanted.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
        if libc::ioctl(raw, libc::TUNSETIFF as _, &wanted) < 0 {
            return Err(failed(&format!("the TUN device {name}")));
        }
        device
    };
    set_up(name, Some(mtu))?;
    Ok(device)
}

/// Bytes of one packet; `None` when there is none now.
pub fn read(device: RawFd, buffer: &mut [u8]) -> Option<usize> {
    // SAFETY: the kernel writes at most the buffer's length.
    let length = unsafe { libc::read(device, buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(length).ok().filter(|length| *length > 0)
}

pub fn write(device: RawFd, packet: &[u8]) -> bool {
    // SAFETY: the kernel reads the slice.
    unsafe { libc::write(device, packet.as_ptr().cast(), packet.len()) == packet.len() as isize }
}

/// Waits until one of `wanted` is readable or `until` has come; which ones are.
pub fn wait(wanted: &[RawFd], until: Option<u64>, ready: &mut Vec<bool>) {
    let mut polled: Vec<libc::pollfd> =
        wanted.iter().map(|fd| libc::pollfd { fd: *fd, events: libc::POLLIN, revents: 0 }).collect();
    let timeout = until.map(|until| {
        let left = until.saturating_sub(now_ns());
        libc::timespec { tv_sec: (left / 1_000_000_000) as _, tv_nsec: (left % 1_000_000_000) as _ }
    });
    let time = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the list and the time live through the call.
    unsafe { libc::ppoll(polled.as_mut_ptr(), polled.len() as _, time, std::ptr::null()) };
    ready.clear();
    ready.extend(polled.iter().map(|one| one.revents != 0));
}

/// It stands for hardware, which other work on the machine does not delay: before all others where the rights allow,
/// and without the kernel's 50 µs of rounding.
pub fn be_punctual() {
    // SAFETY: the kernel reads one sched_param.
    unsafe {
        let first = libc::sched_param { sched_priority: 1 };
        if libc::sched_setscheduler(0, libc::SCHED_FIFO, &first) < 0 {
            libc::setpriority(libc::PRIO_PROCESS, 0, -10);
        }
        libc::prctl(libc::PR_SET_TIMERSLACK, 1000);
    }
}

/// Becomes the command; it is killed with the thread that started us.
pub fn become_command(words: &[String]) -> String {
    // SAFETY: no memory is passed.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let error = Command::new(&words[0]).args(&words[1..]).exec();
    format!("{}: {error}", words[0])
}
