//! Bench: the least a relay can do, as the baseline of bench-latency: one thread, recv and send, nothing between.
//!
//! `bare_relay PORT COUNT` binds COUNT UDP sockets, prints their ports, and sends what comes in to 127.0.0.1:PORT until
//! its standard input ends.

use std::io::Read;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let to = format!("127.0.0.1:{}", args[1]);
    let count: usize = args[2].parse().expect("COUNT");
    let sockets: Vec<UdpSocket> =
        (0..count).map(|_| UdpSocket::bind(("127.0.0.1", 0)).expect("a UDP socket")).collect();
    let ports: Vec<String> = sockets.iter().map(|s| s.local_addr().expect("bound").port().to_string()).collect();
    println!("{}", ports.join(" "));
    std::thread::spawn(move || {
        // SAFETY: plain epoll on descriptors that live as long as the thread.
        let epoll = unsafe { libc::epoll_create1(0) };
        for (index, socket) in sockets.iter().enumerate() {
            let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: index as u64 };
            unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &mut event) };
        }
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
        let mut buffer = [0u8; 2048];
        loop {
            let ready = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), 64, -1) };
            for event in events.iter().take(usize::try_from(ready).unwrap_or(0)) {
                let socket = &sockets[event.u64 as usize];
                if let Ok(length) = socket.recv(&mut buffer) {
                    let _ = socket.send_to(&buffer[..length], &to);
                }
            }
        }
    });
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
