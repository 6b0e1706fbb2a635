//! Emulated bad links between network namespaces, for tests, benches and the demo (driven by tests/emu/).
//!
//! - `linkemu hold`: makes a network namespace and keeps it until standard input ends.
//! - `linkemu in NAMESPACE COMMAND…`: becomes the command there; it dies with who started it.
//! - `linkemu link JSON`: `{"name", "inner": namespace, "outer": namespace, "orders": socket path, "seed", "mtu", "set"}`:
//!   a TUN device of that name in both namespaces and everything between them, until standard input ends.
//!
//! Namespaces are paths (`/proc/PID/ns/net`). Nothing has a name that outlives its process, so nothing is left behind by
//! a kill. Orders and figures: see `Link::order`.

mod bursts;
mod json;
mod link;
mod nat;
mod packet;
mod shape;
mod sys;

use std::io::Read;
use std::os::unix::net::UnixListener;

use json::Value;

fn hold() -> Result<(), String> {
    sys::new_namespace()?;
    println!("ready");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    Ok(())
}

fn link(order: &str) -> Result<(), String> {
    let order = Value::parse(order)?;
    let order = order.map()?;
    let wanted = |key: &str| order.get(key).ok_or_else(|| format!("'{key}' is missing"));
    let (name, mtu) = (wanted("name")?.text()?, wanted("mtu")?.number()? as i32);
    let orders = wanted("orders")?.text()?;
    let outer_name = order.get("outer_name").map_or(Ok(name), Value::text)?;
    let listener = UnixListener::bind(orders).map_err(|error| format!("{orders}: {error}"))?;
    let inner = sys::tun(wanted("inner")?.text()?, name, mtu)?;
    let outer = sys::tun(wanted("outer")?.text()?, outer_name, mtu)?;
    let mut link = link::Link::new(wanted("seed")?.number()? as u64, sys::now_ns());
    sys::be_punctual();
    println!("ready");
    link::run(&mut link, &[inner, outer], &listener);
    Ok(())
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.first().map(String::as_str) {
        Some("hold") => hold(),
        Some("link") if words.len() == 2 => link(&words[1]),
        Some("in") if words.len() > 2 => sys::enter(&words[1]).and_then(|()| Err(sys::become_command(&words[2..]))),
        _ => Err("linkemu hold | in NAMESPACE COMMAND… | link JSON".into()),
    };
    if let Err(error) = done {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
