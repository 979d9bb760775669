/** The camera: one frame after another, as fast as they are looked at. */
import { pixelsOf } from "./pictures.js";

const SIDE = 480; // pixels of the shorter side are asked for
const SILENT = 3000; // milliseconds between what a screen reader is told
const WINDOW = 20; // frames that the rate is measured over

export class Camera {
  /** @param {{onFrame: (image: import("./pixels.js").Image) => Promise<void>, onEnd: () => void}} listener */
  constructor({ onFrame, onEnd }) {
    [this.onFrame, this.onEnd] = [onFrame, onEnd];
    [this.running, this.told, this.stream] = [false, 0, null];
    /** @type {number[]} */
    this.times = [];
  }

  /** Frames per second. */
  get rate() {
    const [first, last] = [this.times[0], this.times.at(-1)];
    return this.times.length < 2 ? 0 : (1000 * (this.times.length - 1)) / (last - first);
  }

  /** Whether enough time has passed to tell something again. */
  mayTell() {
    const may = performance.now() - this.told > SILENT;
    if (may) this.told = performance.now();
    return may;
  }

  async start() {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("This browser gives no camera here: open the page on localhost or over https.");
    }
    try {
      const video = { height: { ideal: SIDE }, facingMode: "user" };
      this.stream = await navigator.mediaDevices.getUserMedia({ video });
    } catch (problem) {
      throw new Error(problem.name === "NotAllowedError"
        ? "The camera may not be used: allow it in the browser's address bar."
        : `No camera is to be had (${problem.message}).`);
    }
    this.running = true;
    this.times = [];
    this.video = document.createElement("video");
    Object.assign(this.video, { muted: true, playsInline: true, srcObject: this.stream });
    this.stream.getVideoTracks()[0].onended = () => this.onEnd();
    await this.video.play();
    this.loop();
  }

  async loop() {
    while (this.running) {
      const { videoWidth: width, videoHeight: height } = this.video;
      if (width) {
        await this.onFrame(pixelsOf(this.video, width, height));
        this.times = [...this.times, performance.now()].slice(-WINDOW);
      }
      await new Promise(requestAnimationFrame);
    }
  }

  stop() {
    this.running = false;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
  }
}
