"""What of a connection waits for a clock that can not be right."""

from __future__ import annotations

import pytest

from adapters.mqtt.address import Broker
from adapters.mqtt.dial import Dialler
from gateway.base.errors import LinkDown

TLS = Broker("tls", "127.0.0.1", 1)
PLAIN = Broker("tcp", "127.0.0.1", 1)


async def test_certificates_of_others_wait_for_the_clock_and_a_plain_way_does_not() -> None:
    past = True
    dialler = Dialler(clock_good=lambda: not past, clock_past=lambda: past)
    with pytest.raises(LinkDown) as caught:
        await dialler.dial(TLS, 5.0)
    assert caught.value.code == "clock-past"
    with pytest.raises(LinkDown) as caught:  # on the kit's own network, without certificates
        await dialler.dial(PLAIN, 5.0)
    assert caught.value.code == "connect-refused"
    past = False
    with pytest.raises(LinkDown) as caught:
        await dialler.dial(TLS, 5.0)
    assert caught.value.code == "connect-refused", "as soon as it is set"
