#!/usr/bin/env bash
# Prepares a machine, one part at a time: scripts/setup.sh python|node|rust|peers|long|bench|fleet|fuzz|lock.
# Says what it does, may be run again, and fails with one sentence that names the cure.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\033[1m▸ %s\033[0m\n' "$*"; }
die() { # English, Chinese
  printf '\033[31m✗ %s\n  %s\033[0m\n' "$1" "$2" >&2
  exit 1
}

apt_install() { # what for, packages
  local what=$1 missing=() package
  shift
  command -v dpkg-query >/dev/null ||
    die "This set-up installs Debian packages ($*); on another system install their like by hand." \
      "此步骤需要 Debian 软件包（$*）；其他系统请手动安装对应软件。"
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null ||
      die "$what needs: run  sudo apt-get install ${missing[*]}  and start again." \
        "$what 需要先执行  sudo apt-get install ${missing[*]}  再重试。"
    as_root=(sudo)
  fi
  # One at a time, as apt wants it: `make test` sets several parts up at once.
  local lock
  exec {lock}>"${TMPDIR:-/tmp}/fieldgate-apt.$(id -u).lock"
  flock "$lock"
  say "$what: installing ${missing[*]}"
  local log
  log=$(mktemp)
  # Kamailio and its like would be started as services at once, and take the ports that the gateway wants.
  local quiet=/usr/sbin/policy-rc.d
  if [ ! -e "$quiet" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$quiet" >/dev/null && "${as_root[@]}" chmod 755 "$quiet"
    # shellcheck disable=SC2064  # the values of now are meant
    trap "${as_root[*]} rm -f $quiet" EXIT
  fi
  # Package lists of a fresh machine may be missing or old: one update, then one install.
  if ! { "${as_root[@]}" apt-get update -q && DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    die "apt-get could not install ${missing[*]}: see the lines above; check the package mirror and run again." \
      "apt-get 无法安装 ${missing[*]}：见上方输出，检查软件源后重试。"
  fi
  rm -f "$log"
  exec {lock}>&-
}

pjsua2() {
  # The second SIP engine and the independent test phone. Its wheel has a build for some Pythons only.
  local wanted='pjsua2-python==2.15.1.post1'
  .venv/bin/python -c 'import pjsua2' 2>/dev/null && return
  say "peers: $wanted"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary=:all: "$wanted" ||
    say "peers: $wanted has no wheel for $(.venv/bin/python --version); its tests are left out (Python 3.11 or 3.12 has it)"
}

scapy() {
  # The extra that listens to the wire; its tests need it in the gateway's own venv.
  .venv/bin/python -c 'import scapy' 2>/dev/null && return
  say 'peers: scapy'
  .venv/bin/python -m pip install --quiet --disable-pip-version-check scapy==2.8.0 ||
    say 'peers: scapy could not be installed; the tests that listen to the wire are left out'
}

gpiod() {
  # The extra for lamps; its tests need it in the gateway's own venv.
  .venv/bin/python -c 'import gpiod' 2>/dev/null && return
  say 'peers: gpiod'
  .venv/bin/python -m pip install --quiet --disable-pip-version-check gpiod==2.5.0 ||
    say 'peers: gpiod could not be installed; one test of lamps is left out'
}

pysnmp() {
  # The extra for SNMP v3; its tests need it in the gateway's own venv.
  .venv/bin/python -c 'import pysnmp' 2>/dev/null && return
  say 'peers: pysnmp'
  .venv/bin/python -m pip install --quiet --disable-pip-version-check pysnmp==7.1.30 ||
    say 'peers: pysnmp could not be installed; the tests of SNMP v3 are left out'
}

onvif_peer() {
  # Devices that are not ours (IPyCam: ONVIF, WS-Discovery, PTZ, RTSP; zeroconf: mDNS; ssdpy: SSDP) and an ONVIF client that
  # is not ours, in a venv of their own: what they bring (OpenCV, lxml, aiohttp) has no place in the gateway's.
  local out=.make/onvif-peer
  [ -x "$out/bin/python" ] && "$out/bin/python" -c 'import cv2, ipycam, onvif, ssdpy, zeroconf' 2>/dev/null && return
  say 'peers: IPyCam, onvif-zeep-async, zeroconf and ssdpy, the devices and the ONVIF client of the tests'
  # Without its own dependencies: it names the OpenCV with windows, which wants X11's libraries.
  { "$(find_python)" -m venv --clear "$out" &&
    "$out/bin/pip" install --quiet --disable-pip-version-check --no-deps ipycam==1.3.0 &&
    "$out/bin/pip" install -qqq --disable-pip-version-check numpy==2.4.6 opencv-python-headless==5.0.0.93 onvif-zeep-async==4.3.0 zeroconf==0.154.0 ssdpy==0.4.1; } ||
    say 'peers: IPyCam could not be installed; the ONVIF peer tests are left out'
}

build_openssl_srtp() {
  # Debian's libsrtp2 is built on NSS, several times slower than on OpenSSL. Janus "tuned" runs on the same source built
  # on OpenSSL; where the source can't be had the bench says so and leaves that figure null.
  local out=$PWD/.make/libsrtp-openssl
  [ -e "$out/libsrtp2.so.1" ] && return
  say 'bench peers: building libsrtp2 on OpenSSL from the distribution'"'"'s source'
  mkdir -p "$out/apt/lists/partial"
  grep -hv '^#' /etc/apt/sources.list.d/debian.sources 2>/dev/null | sed 's/^Types:.*/Types: deb-src/' >"$out/apt/src.sources" || true
  local options=(-o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$out/apt/parts" -o "Dir::State::lists=$out/apt/lists")
  mkdir -p "$out/apt/parts" && mv "$out/apt/src.sources" "$out/apt/parts/"
  if (
    cd "$out" &&
      apt-get "${options[@]}" -q update && apt-get "${options[@]}" -q source --download-only libsrtp2 &&
      tar xf libsrtp2_*.orig.tar.gz && cd libsrtp-2*/ &&
      CFLAGS='-O2 -fPIC' ./configure --enable-openssl && make shared_library
  ) >"$out/build.log" 2>&1; then
    cp "$out"/libsrtp-2*/libsrtp2.so.1 "$out/"
  else
    say "bench peers: no OpenSSL-built libsrtp (see $out/build.log); ratio_to_janus_tuned will be null"
  fi
}

nats_server() {
  # The cluster broker of `make bench-fleet`: Debian's (2.9) is too old for its MQTT, so it is built from its own module.
  local out=$PWD/.make/peers wanted=v2.15.3
  [ -x "$out/nats-server" ] && "$out/nats-server" --version 2>/dev/null | grep -q "$wanted" && return
  command -v go >/dev/null || {
    say "bench peers: no nats-server, as Go 1.25 or newer is missing (https://go.dev/dl); bench-fleet leaves the cluster out"
    return
  }
  say "bench peers: building nats-server $wanted (some minutes the first time)"
  mkdir -p "$out"
  GOBIN="$out" GOFLAGS=-buildvcs=false go install "github.com/nats-io/nats-server/v2@$wanted" >"$out/nats.log" 2>&1 || {
    tail -n 3 "$out/nats.log" >&2
    say 'bench peers: nats-server could not be built (is the Go proxy reachable? go env GOPROXY); bench-fleet leaves the cluster out'
  }
}

find_python() {
  local candidate
  for candidate in python3.13 python3.12 python3.11 python3; do
    if command -v "$candidate" >/dev/null &&
      "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  die "Python 3.11 or newer with venv is missing: apt-get install python3 python3-venv (Debian 12 or newer)." \
    "缺少 Python 3.11 或更新版本及 venv：请执行 apt-get install python3 python3-venv（Debian 12 及以上）。"
}

venv() {
  [ -x .venv/bin/python ] && .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && return
  local python
  python=$(find_python)
  say "python: making .venv with $("$python" --version)"
  "$python" -m venv --clear .venv
}

case "${1:-}" in
python)
  [ "$(uname -s)" = Linux ] ||
    die "Fieldgate runs on Linux (epoll, UDP GSO); this is $(uname -s)." "Fieldgate 仅支持 Linux，当前系统为 $(uname -s)。"
  venv
  say 'python: installing the locked packages (first time: about a minute)'
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock ||
    die 'pip could not install requirements.lock: check the network or the package index (pip config list) and run again.' \
      'pip 无法安装 requirements.lock：请检查网络或软件源（pip config list）后重试。'
  ;;
node)
  command -v npm >/dev/null ||
    die 'Node.js 20 or newer with npm is missing (it builds the console): apt-get install nodejs npm (Debian 13), or the packages of nodejs.org.' \
      '缺少 Node.js 20 及以上与 npm（用于构建控制台）：请执行 apt-get install nodejs npm（Debian 13），或安装 nodejs.org 提供的软件包。'
  node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' ||
    die "Node.js $(node --version) is too old: 20 or newer is needed." "Node.js $(node --version) 版本过低，需要 20 及以上。"
  say 'console: installing the locked npm packages'
  (cd console && npm ci --silent --no-fund --no-audit) ||
    die 'npm ci failed: check the network or the registry (npm config get registry) and run again.' \
      'npm ci 失败：请检查网络或软件源（npm config get registry）后重试。'
  ;;
rust)
  command -v cc >/dev/null || apt_install 'media plane' gcc libc6-dev
  command -v cmake >/dev/null || apt_install 'media plane' cmake
  command -v cargo >/dev/null ||
    die 'Rust 1.85 or newer is missing (it builds the media plane): install it with rustup (https://rustup.rs) or, on Debian 13, apt-get install cargo rustfmt rust-clippy.' \
      '缺少 Rust 1.85 及以上（用于构建媒体面）：请用 rustup（https://rustup.rs）安装，或在 Debian 13 上执行 apt-get install cargo rustfmt rust-clippy。'
  version=$(cargo --version | awk '{print $2}')
  [ "$(printf '%s\n1.85.0\n' "${version%%-*}" | sort -V | head -n 1)" = 1.85.0 ] ||
    die "Rust $version is too old: 1.85 or newer is needed; run  rustup update stable." \
      "Rust $version 版本过低，需要 1.85 及以上；请执行  rustup update stable。"
  ;;
peers)
  # The programs the tests are held against: none of them ours.
  apt_install 'test peers' chromium ffmpeg sip-tester iproute2 fonts-noto-cjk \
    gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad \
    gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-rtsp gstreamer1.0-nice gir1.2-gst-plugins-bad-1.0 \
    python3-gi gir1.2-gst-rtsp-server-1.0 srt-tools libsrt1.5-gnutls tshark vlc-bin vlc-plugin-base vlc-plugin-access-extra \
    baresip-core baresip-ffmpeg linphone-cli kamailio kamailio-tls-modules mosquitto mosquitto-clients strace snmpd babeld gpsd espeak-ng alsa-utils \
    modemmanager dbus polkitd python3-dbusmock
  pjsua2
  scapy
  gpiod
  pysnmp
  onvif_peer
  ;;
long)
  apt_install 'long tests' obs-studio obs-plugins xvfb libgl1-mesa-dri
  ;;
bench)
  apt_install 'bench peers' janus gcc make libc6-dev libssl-dev pkg-config dpkg-dev rtpengine-daemon
  pjsua2
  build_openssl_srtp
  nats_server
  ;;
fleet)
  apt_install 'fleet bench' mosquitto
  nats_server
  ;;
fuzz)
  apt_install 'fuzzing' clang
  ;;
lock)
  venv
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  .venv/bin/python -m venv "$scratch/venv"
  .venv/bin/python - <<'PY' >"$scratch/in"
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())
print("\n".join(project["project"]["dependencies"] + project["dependency-groups"]["tooling"]))
PY
  "$scratch/venv/bin/pip" install --quiet --disable-pip-version-check -r "$scratch/in"
  {
    echo '# Made by `make lock` from pyproject.toml; CPython 3.11 and newer on Linux.'
    "$scratch/venv/bin/pip" freeze --disable-pip-version-check
  } >requirements.lock
  say "lock: $(grep -vc '^#' requirements.lock) packages in requirements.lock"
  ;;
*)
  sed -n '2,3p' "$0" | cut -c3- >&2
  exit 2
  ;;
esac
