"""The one list of adapters, imported lazily: name → "module:class"."""

ADAPTERS: dict[str, str] = {
    "gb28181": "adapters.gb28181:Gb28181Access",
    "gnss": "adapters.gnss:Gnss",
    "hls": "adapters.hls:Hls",
    "jt808": "adapters.jt808:Jt808",
    "local": "adapters.local:Local",
    "mesh": "adapters.mesh:Mesh",
    "modem": "adapters.modem:Modem",
    "mpegts": "adapters.mpegts:MpegTs",
    "mqtt": "adapters.mqtt:Mqtt",
    "onvif": "adapters.onvif:Onvif",
    "panel": "adapters.panel:Panel",
    "phone": "adapters.phone:PhoneDoor",
    "pull": "adapters.pull:Pull",
    "roip": "adapters.roip:Roip",
    "rtmp": "adapters.rtmp:Rtmp",
    "rtsp": "adapters.rtsp:Rtsp",
    "satphone": "adapters.satphone:Satphones",
    "sip": "adapters.sip:SipGateway",
    "srt": "adapters.srt:Srt",
    "station": "adapters.station:Stations",
    "uplink": "adapters.uplink:Uplink",
    "webrtc": "adapters.webrtc:WebRtc",
}

IDLE: dict[str, str] = {
    "gnss": "",
    "mesh": "",
    "modem": "",
    "mqtt": "centers",
    "onvif": "devices",
    "panel": "",
    "roip": "",
    "satphone": "",
    "station": "",
    "uplink": "centers",
}
"""Those that serve nobody where nothing was written for them, which are started after all others; and what gives them
something to do nevertheless: `devices` of theirs that were admitted, `centers` that are paired, or being one."""
