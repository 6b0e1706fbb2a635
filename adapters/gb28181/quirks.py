"""What single devices want differently, from three sources: the technician, the device's own words, and this table.

The technician's word wins. The table holds deviations that others met in the field, one row each with where it was
seen; it is read after DeviceInfo told the maker. Nothing here is needed for a device that follows the standard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from adapters.gb28181.config import DeviceOverride, MediaTransport
from adapters.gb28181.protocol.voice import Codec, Start

VERSION_NAMES = {"1.0": "2011", "1.1": "2011", "2.0": "2016", "3.0": "2022"}
"""X-GB-Ver of annex I: 1.1 is the amendment of 2014 to the first edition."""

OWN_VERSION = "3.0"


@dataclass(frozen=True, slots=True)
class TalkQuirks:
    """How one device is made to play sound; empty: find out."""

    mode: str = "auto"  # auto, broadcast, talk, off
    target: str = ""
    start: Start = ""
    codec: Codec = ""
    send: Literal["always", "heard"] = "always"
    address: str = ""


@dataclass(frozen=True, slots=True)
class Quirks:
    """How one device is spoken to."""

    date_header: bool = True
    charset: str = ""
    sdp_ip: str = ""
    media: str = ""  # the technician's wish
    media_hint: str = ""  # the table's, where nothing is remembered
    sdp_line: str = ""
    more_codecs: bool = False
    key_frame: str = ""
    subscribe: bool = True
    distrust_off_notices: bool = False
    talk: TalkQuirks = TalkQuirks()


@dataclass(frozen=True, slots=True)
class Known:
    """A row: `maker` and `model` are looked for, lower case, in what DeviceInfo said; "" fits all."""

    maker: str
    model: str
    why: str
    media: MediaTransport | None = None
    more_codecs: bool = False
    distrust_off_notices: bool = False


KNOWN = (
    Known("dji", "", "refuses the first TCP offer of a call", media="udp"),
    Known(
        "hikvision",
        "platform",
        "its NOTIFY tells thousands of channels OFF at once although they answer an INVITE",
        distrust_off_notices=True,
    ),
)


def quirks_for(
    override: DeviceOverride | None, *, date_header: bool, sdp_ip: str, maker: str = "", model: str = ""
) -> Quirks:
    """The technician's settings for all and for this device, over the table's rows for its maker and model."""
    found = Quirks(date_header=date_header, sdp_ip=sdp_ip)
    for row in KNOWN:
        if row.maker in maker.lower() and row.model in model.lower() and maker:
            found = replace(
                found,
                media_hint=row.media or found.media_hint,
                more_codecs=found.more_codecs or row.more_codecs,
                distrust_off_notices=found.distrust_off_notices or row.distrust_off_notices,
            )
    if override is None:
        return found
    return replace(
        found,
        date_header=found.date_header if override.date_header is None else override.date_header,
        charset=override.charset,
        sdp_ip=override.sdp_ip or found.sdp_ip,
        media=override.media,
        sdp_line=override.sdp_line,
        more_codecs=override.more_codecs or found.more_codecs,
        key_frame=override.key_frame,
        subscribe=override.subscribe,
        talk=TalkQuirks(
            override.talk,
            override.talk_target,
            override.talk_start,
            override.talk_codec,
            override.talk_send,
            override.talk_address,
        ),
    )


def version_name(x_gb_ver: str) -> str:
    """ "2016" for "2.0"; "" for what is not known."""
    return VERSION_NAMES.get(x_gb_ver.strip(), "")


def key_frame_tag(quirks: Quirks, x_gb_ver: str) -> str:
    """2016 spelt it IFameCmd and the devices do so too; 2022 corrected it. Unknown versions get the old spelling."""
    if quirks.key_frame:
        return quirks.key_frame
    return "IFrameCmd" if x_gb_ver.strip() == "3.0" else "IFameCmd"
