"""Runs one IPyCam, in its own venv: a moving picture made here, and its state told on stdout when asked on stdin."""

import json
import signal
import sys
import threading

import numpy as np
from ipycam import CameraConfig, IPCamera


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    said = json.loads(sys.argv[1])
    small = {"sub_width": 320, "sub_height": 180, "sub_fps": 15}
    config = CameraConfig(name="Gate camera", main_width=640, main_height=360, main_fps=15, **small, **said)
    camera = IPCamera(config)
    camera.onvif.device_uuid = "urn:uuid:3fa1fe68-b915-4053-a3e1-a06aa8a3f4b1"  # a real camera's stays
    if not camera.start():
        sys.exit("it did not start")

    def answer() -> None:
        for line in sys.stdin:
            if line.strip() == "ptz":
                told = camera.ptz.get_status()
            else:
                told = {token: preset.name for token, preset in camera.ptz.get_presets().items()}
            print(json.dumps(told, default=str), flush=True)

    threading.Thread(target=answer, daemon=True).start()
    print("ready", flush=True)
    number = 0
    frame = np.zeros((360, 640, 3), np.uint8)
    try:
        while True:
            number += 1
            frame[:] = (40, number * 3 % 256, 90)
            frame[:, number * 4 % 640 :][:, :40] = 255
            camera.stream(frame)
    finally:
        camera.stop()


main()
