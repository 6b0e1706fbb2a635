"""The default engine: legs on our own user agent (`gateway.net.sip`), their media in the media plane."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from adapters.sip.engine import NO_VIDEO, LegOwner, VideoWish
from adapters.sip.media import CallMedia
from adapters.sip.native_leg import NativeLeg
from adapters.sip.routing import MediaPolicy, Route
from gateway.contract.media import Media
from gateway.net.sip import CallOptions, IncomingCall, SipEndpoint
from gateway.wire.sip import Hop, NameAddr, new_request

if TYPE_CHECKING:
    from adapters.sip.dtls import Identity


class NativeEngine:
    """Fulfils `engine.SipEngine`; `take` makes legs of calls that came in."""

    name = "native"

    def __init__(self, media: Media) -> None:
        self._media = media
        self._made: Identity | None = None
        self._legs: set[NativeLeg] = set()

    def standing(self) -> int:
        return len(self._legs)

    async def place(
        self, route: Route, owner: LegOwner, video: VideoWish = NO_VIDEO, *, replaces: str = ""
    ) -> NativeLeg:
        leg = NativeLeg(
            owner,
            route.endpoint,
            route.contact_user,
            incoming=False,
            ended=self._legs.discard,
            again=route.again,
        )
        leg.open_media(self._open_media(leg, route.policy, route.hop, video))
        headers = [*route.headers]
        if replaces:
            headers += [("Replaces", replaces), ("Require", "replaces")]
        request = new_request(
            "INVITE",
            route.uri,
            from_=NameAddr(route.from_uri, route.from_display),
            hop=route.hop,
            contact_user=route.contact_user,
            headers=headers,
        )
        try:
            call = await route.endpoint.invite(
                request, route.hop, auth=route.credentials, options=_options(route.policy, leg.session)
            )
        except BaseException:
            leg.session.close()
            raise
        self._legs.add(leg)
        leg.attach(call)
        return leg

    def take(
        self,
        endpoint: SipEndpoint,
        call: IncomingCall,
        owner: LegOwner,
        policy: MediaPolicy,
        video: VideoWish = NO_VIDEO,
        again: Callable[[], Awaitable[Hop]] | None = None,
    ) -> NativeLeg:
        """A leg of a call that came in. Raises PeerError when its INVITE can not be had (it was answered then), Busy
        (`ports-exhausted`)."""
        leg = NativeLeg(owner, endpoint, _user_of(call), incoming=True, ended=self._legs.discard, again=again)
        leg.open_media(self._open_media(leg, policy, call.hop, video, latent=call.offered))
        try:
            call.use(_options(policy, leg.session))
        except BaseException:
            leg.session.close()
            raise
        self._legs.add(leg)
        leg.attach(call)
        return leg

    def _open_media(
        self, leg: NativeLeg, policy: MediaPolicy, hop: Hop, video: VideoWish, *, latent: bool = False
    ) -> CallMedia:
        return CallMedia(
            self._media,
            policy,
            hop.local[0],
            identity=None if policy.srtp in ("off", "sdes") else self._identity,
            changed=leg.media_changed,
            trouble=leg.media_trouble,
            video=video,
            latent=latent,
            mute=leg.incoming,
            peer=hop.remote[0],
        )

    def _identity(self) -> Identity:
        if self._made is None:
            # OpenSSL and cryptography are heavy: loaded by the first call that may need them.
            from adapters.sip.dtls import Identity

            self._made = Identity()
        return self._made


def _options(policy: MediaPolicy, session: CallMedia) -> CallOptions:
    return CallOptions(
        session=session,
        reliable="supported" if policy.reliable else "off",
        session_expires_s=policy.session_expires_s,
    )


def _user_of(call: IncomingCall) -> str:
    uri = call.request.uri
    return uri.partition("@")[0].partition(":")[2] if "@" in uri else ""
