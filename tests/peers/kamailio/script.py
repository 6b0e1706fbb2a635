"""Kamailio's configuration: a registrar and proxy with digest and Record-Route, or the SBC of a static trunk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DOMAIN = "center.test"
PASSWORD = "center password"


@dataclass(frozen=True)
class Ports:
    udp: int  # TCP too
    tls: int


@dataclass(frozen=True)
class Kit:
    """A kit on a static trunk: numbers that begin with 6 go there, and it needs no password."""

    host: str
    port: int


HEAD = """\
#!KAMAILIO
debug=1
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
alias="{domain}"
listen=udp:{host}:{udp}
listen=tcp:{host}:{udp}
listen=tls:{host}:{tls}
enable_tls=yes
tcp_connection_lifetime=600
tcp_accept_no_cl=yes
loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "tm.so"
loadmodule "tmx.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "auth.so"
loadmodule "tls.so"
modparam("tls", "config", "{tls_file}")
modparam("auth", "nonce_count", 1)
modparam("auth", "qop", "auth")
modparam("auth", "algorithm", "{algorithm}")
modparam("registrar", "min_expires", {min_expires})
modparam("registrar", "path_mode", 0)
modparam("rr", "enable_full_lr", 1)
modparam("tm", "fr_timer", 5000)
"""

ROUTE = """\
request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK") && t_check_trans()) {{ t_relay(); exit; }}
        sl_send_reply("404", "Not here");
        exit;
    }}
    if (is_method("OPTIONS") && $rU == $null) {{ sl_send_reply("200", "Here"); exit; }}
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("{domain}", "{password}", "0")) {{ www_challenge("{domain}", "1"); exit; }}
        if ($au != $fU || $tU != $fU) {{ sl_send_reply("403", "Not your address"); exit; }}
        save("location");
        exit;
    }}
{inside}
    record_route();
    if (!lookup("location")) {{ sl_send_reply("404", "Nobody of that name"); exit; }}
    t_relay();
}}
"""

AUTHENTICATED = """\
    if (!pv_proxy_authenticate("{domain}", "{password}", "0")) {{ proxy_challenge("{domain}", "1"); exit; }}
    consume_credentials();
"""

TO_KIT = """\
    if ($rU =~ "^6" && $sp != {port}) {{
        record_route();
        append_hf("P-Asserted-Identity: <sip:+861066660000@{domain}>\\r\\n");
        append_hf("Diversion: <sip:01088880000@{domain}>;reason=no-answer\\r\\n");
        $du = "sip:{host}:{port}";
        t_relay();
        exit;
    }}
"""

TLS = """\
[server:default]
method = TLSv1.2+
private_key = {key}
certificate = {certificate}
verify_certificate = no
require_certificate = no
[client:default]
method = TLSv1.2+
verify_certificate = no
require_certificate = no
"""


def write(
    folder: Path,
    ports: Ports,
    certificate: Path,
    key: Path,
    *,
    host: str = "127.0.0.1",
    algorithm: str = "",
    min_expires: int = 60,
    kit: Kit | None = None,
) -> Path:
    """The configuration file. With `kit` it is the SBC of a static trunk: calls from the kit need no password."""
    tls_file = folder / "tls.cfg"
    tls_file.write_text(TLS.format(key=key, certificate=certificate))
    inside = '    if (!is_method("INVITE|ACK|MESSAGE")) { sl_send_reply("405", "Not so"); exit; }\n'
    names = {"domain": DOMAIN, "password": PASSWORD}
    if kit is not None:
        inside += TO_KIT.format(host=kit.host, port=kit.port, **names)
    else:
        inside += AUTHENTICATED.format(**names)
    text = HEAD.format(
        host=host,
        udp=ports.udp,
        tls=ports.tls,
        tls_file=tls_file,
        algorithm=algorithm,
        min_expires=min_expires,
        **names,
    )
    if not algorithm:
        text = text.replace('modparam("auth", "algorithm", "")\n', "")
    file = folder / "kamailio.cfg"
    file.write_text(text + ROUTE.format(inside=inside, **names))
    return file
