"""Chromium's microphone in a talk group with a radio channel: the whole gateway, the real console, real keys.

The radio is the simulated one at the end of a USRP link; what it hears, and what the page hears, is told by tones.
"""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.sim.radio import RATE_HZ, Heard, Radio, RadioProfile, tone_share
from tests.paths.talk_rig import sine
from tests.peers import baresip as baresip_module
from tests.peers.baresip import Baresip, baresip
from tests.peers.browser import Browser, Page, launch, require
from tests.peers.stage import Stage, ports

pytestmark = pytest.mark.peer

MICROPHONE_HZ, RADIO_HZ = 1000.0, 700.0
HEARD = 0.6
GROUP = "kit1/talk/ops"
CONFERENCE, DISPATCHER = "700", "900"

# Before the page's own scripts: no noise suppression, which would take a steady tone for noise.
BEFORE = (
    "try { localStorage.setItem('fieldgate.mic.plain', '1'); localStorage.setItem('fieldgate.lang', 'en'); } catch {}"
)

# The share of the energy that the page hears at a frequency, by WebAudio on the sound of its talk line.
LISTEN = """
window.__ear = async (hz) => {
  const sound = document.querySelector('audio[data-talk]');
  if (!sound || !sound.srcObject) return 0;
  const ear = window.__ears ??= new Map();
  if (!ear.has(sound.srcObject)) {
    const context = new AudioContext(), analyser = context.createAnalyser();
    analyser.fftSize = 8192; analyser.smoothingTimeConstant = 0;
    context.createMediaStreamSource(sound.srcObject).connect(analyser);
    ear.set(sound.srcObject, {context, analyser});
  }
  const {context, analyser} = ear.get(sound.srcObject);
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  const power = bins.map(db => Number.isFinite(db) ? 10 ** (db / 10) : 0);
  const at = Math.round(hz / context.sampleRate * analyser.fftSize);
  const near = power.slice(at - 4, at + 5).reduce((a, b) => a + b, 0), all = power.reduce((a, b) => a + b, 0);
  return all > 1e-9 ? near / all : 0;
};
"""


def write_tone(file: Path, hz: float) -> None:
    """Ten seconds for Chromium's fake microphone, which plays them over and over."""
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(48000)
        out.writeframes(sine(hz, 0, 480_000, 48000, peak=12000).tobytes())


class Desk:
    """One page of the console, as a person uses it."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def click(self, selector: str) -> None:
        """As with a mouse, in the middle of the first one that is seen."""
        at = await self.page.wait_for(
            f"(e => e && (r => r.width && [r.x + r.width / 2, r.y + r.height / 2])(e.getBoundingClientRect()))"
            f"([...document.querySelectorAll({json.dumps(selector)})].find(one => one.offsetWidth && !one.disabled))",
            what=f"{selector} to click",
        )
        mouse = {"x": at[0], "y": at[1], "button": "left", "clickCount": 1}
        await self.page.send("Input.dispatchMouseEvent", type="mousePressed", buttons=1, **mouse)
        await self.page.send("Input.dispatchMouseEvent", type="mouseReleased", buttons=0, **mouse)

    async def join(self) -> None:
        await self.click(".tabs [data-key=talk]")
        await self.click(f"[data-group='{GROUP}'] .join")
        await self.page.wait_for("document.querySelector('.ptt') && !document.querySelector('.ptt').disabled")
        await self.page.wait_for("document.querySelector('.dock-line[data-tone=live]') !== null", what="the line")

    async def key(self, kind: str, **more: Any) -> None:
        key = {"key": " ", "code": "Space", "windowsVirtualKeyCode": 32, "nativeVirtualKeyCode": 32}
        await self.page.send("Input.dispatchKeyEvent", type=kind, **key, **more)

    async def press(self) -> None:
        await self.key("rawKeyDown")

    async def let_go(self) -> None:
        await self.key("keyUp")

    async def phase(self, phase: str) -> None:
        await self.page.wait_for(f"document.querySelector('.ptt').dataset.phase === '{phase}'", what=f"key: {phase}")

    async def says(self, selector: str, text: str) -> None:
        await self.page.wait_for(
            f"document.querySelector({json.dumps(selector)})?.textContent.includes({json.dumps(text)})",
            what=f"{selector} says {text}",
        )

    async def hears(self, hz: float) -> None:
        await self.page.wait_for(f"__ear({hz}).then(share => share > {HEARD})", what=f"the page hears {hz} Hz")

    async def middle(self, selector: str) -> dict[str, float]:
        expression = f"(r => [r.x + r.width / 2, r.y + r.height / 2])(document.querySelector('{selector}').getBoundingClientRect())"  # noqa: E501
        x, y = await self.page.evaluate(expression)
        return {"x": x, "y": y}


class Scene:
    def __init__(self, stage: Stage, radio: Radio, browser: Browser) -> None:
        self.stage = stage
        self.radio = radio
        self.browser = browser

    async def desk(self, name: str = "wang", role: str = "operator") -> Desk:
        page = await self.browser.open(apart=True)  # several people never share a sign-in
        for script in (BEFORE, LISTEN):
            await page.send("Page.addScriptToEvaluateOnNewDocument", source=script)
        await page.goto(self.stage.console(name, role))
        return Desk(page)

    def group(self) -> dict[str, Any]:
        return next(one for one in self.stage.client.get("/api/v1/talk") if one["id"] == GROUP)

    async def until(self, what: str, question: Callable[[dict[str, Any]], Any]) -> None:
        await self.stage.until(what, lambda: question(self.group()), 15)

    async def radio_hears(self, hz: float) -> None:
        def loud(heard: Heard) -> bool:
            return len(heard.samples) > RATE_HZ // 4 and tone_share(heard.samples[-RATE_HZ // 4 :], hz, RATE_HZ) > HEARD

        await self.radio.until(loud, 15)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    require()
    write_tone(tmp_path / "tone.wav", MICROPHONE_HZ)
    async with AsyncExitStack() as stack:
        free = stack.enter_context(ports())
        more = (
            f"[adapter.roip.channels.radio-1]\nkind = 'usrp'\ntitle = 'Radio'\nlisten = '127.0.0.1:{free.usrp}'\n"
            f"peer = '127.0.0.1:{free.radio}'\n[talk.group.ops]\nname = 'Ops'\nmembers = ['radio-1/ch1']\n"
            f"[talk.group.open]\nname = 'Open'\nmode = 'full'\nnumber = '{CONFERENCE}'\n"
            f"[adapter.sip.numbers]\n{DISPATCHER} = 'console'\n"
            # A PBX on this machine, told by its address: the telephone calls without a password.
            f"[adapter.sip.trunks.pbx]\nmode = 'static'\nservers = ['udp:127.0.0.1:{free.pbx}']\n"
            f"sources = ['127.0.0.1/32']\nnumbers = ['{CONFERENCE}', '{DISPATCHER}']\n"
        )
        stage = Stage(tmp_path, free, more=more)
        stack.push_async_callback(stage.stop)
        await stage.daemon()
        await stage.until("the gateway's start", stage.ready)
        profile = RadioProfile(("127.0.0.1", free.radio), ("127.0.0.1", free.usrp), tone_hz=RADIO_HZ)
        radio = await stack.enter_async_context(Radio(profile))
        flags = (f"--use-file-for-fake-audio-capture={tmp_path / 'tone.wav'}", "--window-size=1280,900")
        browser = await stack.enter_async_context(launch(*flags))
        made = Scene(stage, radio, browser)
        await made.until("the radio in its group", lambda group: any(one["state"] == "up" for one in group["members"]))
        yield made


async def test_the_space_bar_speaks_to_the_radio_and_the_radio_is_heard(scene: Scene) -> None:
    desk = await scene.desk()
    await desk.join()
    assert scene.radio.heard.transmissions == 0  # an open line alone keys nobody's transmitter

    await desk.press()
    await desk.phase("granted")
    await desk.key("rawKeyDown", autoRepeat=True)
    await scene.radio_hears(MICROPHONE_HZ)
    await desk.says(f"[data-group='{GROUP}'] .chip", "You speak")
    held = scene.group()["floor"]
    assert held["state"] == "taken" and held["holder"].startswith("browser:")
    # Longer than the gateway's patience with a key that nobody renews (talk.press_timeout).
    with suppress(TimeoutError):
        await scene.radio.until(lambda heard: heard.seconds > 4.5, 15)
    assert scene.group()["floor"]["holder"] == held["holder"] and scene.radio.heard.transmissions == 1
    await desk.let_go()
    await desk.phase("idle")
    await scene.until("the floor is free", lambda group: group["floor"]["state"] != "taken")

    call = asyncio.create_task(scene.radio.call(20))
    try:
        await desk.hears(RADIO_HZ)
        await desk.says(f"[data-group='{GROUP}'] .chip", "Radio")
        await desk.press()
        await desk.phase("queued")
        await desk.let_go()
    finally:
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    await desk.click(".dock-line .icon")
    await scene.until("the seat is free", lambda group: all(one["kind"] != "browser" for one in group["members"]))
    assert not desk.page.errors


async def test_whatever_takes_the_key_away_gives_the_floor_back(scene: Scene) -> None:
    desk = await scene.desk()
    await desk.join()
    at = await desk.middle(".ptt")

    await desk.page.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=[at])
    await desk.phase("granted")
    await scene.radio_hears(MICROPHONE_HZ)
    await desk.page.send("Input.dispatchTouchEvent", type="touchCancel", touchPoints=[])
    await desk.phase("idle")
    await scene.until("the floor is free", lambda group: group["floor"]["state"] != "taken")

    await desk.press()
    await desk.phase("granted")
    await desk.page.evaluate("window.dispatchEvent(new Event('blur'))")
    await desk.phase("idle")
    await scene.until("the floor is free", lambda group: group["floor"]["state"] != "taken")
    await desk.let_go()

    # A page that is gone with the key down: nobody renews it.
    await desk.press()
    await desk.phase("granted")
    await desk.page.close()
    await scene.until("the floor is free", lambda group: group["floor"]["state"] != "taken")
    await scene.until("the seat is free", lambda group: all(one["kind"] != "browser" for one in group["members"]))


async def test_two_desks_queue_and_a_viewer_only_listens(scene: Scene) -> None:
    first, second = await scene.desk("wang"), await scene.desk("li")
    viewer = await scene.desk("zhao", "viewer")
    for desk in (first, second, viewer):
        await desk.page.send("Page.bringToFront")
        await desk.click(".tabs [data-key=talk]")
        await desk.click(f"[data-group='{GROUP}'] .join")
        await desk.page.wait_for("document.querySelector('.dock-line[data-tone=live]') !== null", what="the line")
    await viewer.says(".ptt", "You listen only")

    await first.page.evaluate(_SPACE.format("keydown"))
    await first.phase("granted")
    await second.page.evaluate(_SPACE.format("keydown"))
    await second.phase("queued")
    await viewer.hears(MICROPHONE_HZ)
    await first.page.evaluate(_SPACE.format("keyup"))
    await second.phase("granted")
    await scene.radio_hears(MICROPHONE_HZ)
    await second.page.evaluate(_SPACE.format("keyup"))
    await second.phase("idle")
    assert not first.page.errors and not second.page.errors and not viewer.page.errors


async def test_talking_to_the_place_of_a_picture(scene: Scene) -> None:
    stage = scene.stage
    await stage.admit()
    await stage.ball()
    stream = str(await stage.until("the ball in the directory", stage.online))
    await stage.until(
        "its loudspeaker", lambda: stream in [one["id"] for one in stage.client.get("/api/v1/talk/endpoints")]
    )
    desk = await scene.desk()
    await desk.click(f"[data-channel='{stream}']")
    await desk.click(".tile .talk-button")
    await desk.says(".ptt", "Microphone on")

    def heard() -> bool:
        lines = [json.loads(line) for line in stage.said("ball").splitlines() if line.startswith('{"')]
        return any(abs(line.get("tone_hz", 0) - MICROPHONE_HZ) <= 20 for line in lines)

    await stage.until("the ball's loudspeaker says what the microphone heard", heard)
    await desk.click(".ptt")  # shut: while the loudspeaker speaks its own microphone is turned down
    await desk.says(".ptt", "Microphone off")
    await desk.hears(880)  # the pip of the simulated place
    await desk.click(".tile .talk-button")
    await stage.until("the conversation's end", lambda: len(stage.client.get("/api/v1/talk")) == 2)
    assert not desk.page.errors


@pytest.fixture
def no_ringback(monkeypatch: pytest.MonkeyPatch) -> None:
    """baresip's ringing tone takes the device by which it says back what it hears, and does not give it back."""
    monkeypatch.setattr(baresip_module, "_CONFIG", baresip_module._CONFIG + "ringback_disabled yes\n")


@asynccontextmanager
async def telephone(folder: Path) -> AsyncIterator[Baresip]:
    """baresip as 8001, which says back what it hears: decoded and encoded by it."""
    folder.mkdir()
    async with baresip(folder) as phone:
        yield phone


@pytest.mark.usefixtures("no_ringback")
async def test_microphone_to_a_telephone_and_back(scene: Scene, tmp_path: Path) -> None:
    desk = await scene.desk()
    await desk.click(".tabs [data-key=talk]")
    await desk.click("[data-group='kit1/talk/open'] .join")
    await desk.says(".ptt", "Microphone off")
    async with telephone(tmp_path / "phone") as phone:
        # It dials a conference that the dispatcher is in.
        await phone.order("dial", f"sip:{CONFERENCE}@127.0.0.1:{scene.stage.ports.phones}")
        await phone.event("CALL_ESTABLISHED")
        await desk.says("[data-group='kit1/talk/open'] .members", "8001")
        await desk.click(".ptt")
        await desk.says(".ptt", "Microphone on")
        await desk.hears(MICROPHONE_HZ)  # mix-minus: it can only come from the phone
        await desk.click(".tabs [data-key=calls]")
        await desk.says(".call .chip", "connected")
        await desk.click(".call [data-act=hangUp]")
        await phone.event("CALL_CLOSED")
        await desk.says(".call .chip", "ended")
        await desk.click(".dock-line .icon")

        # It calls whoever is at the console.
        await phone.order("dial", f"sip:{DISPATCHER}@127.0.0.1:{scene.stage.ports.phones}")
        await desk.says(".ring-bar", "8001")
        await desk.click(".ring-bar [data-act=answer]")
        await phone.event("CALL_ESTABLISHED", 2)
        await desk.says(".ptt", "Microphone on")
        await desk.hears(MICROPHONE_HZ)
        await phone.order("hangup")
        await desk.page.wait_for("document.querySelector('.dock-line[data-tone=live]') === null", what="the line's end")
    assert not desk.page.errors


# Only the page in front gets real keys.
_SPACE = "window.dispatchEvent(new KeyboardEvent('{}', {{key: ' ', code: 'Space', cancelable: true}}))"
