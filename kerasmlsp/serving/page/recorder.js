// Runs beside the page's own script: hands on what a microphone gives, 2,048 samples at a time.

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.kept = new Float32Array(2048);
    this.filled = 0;
  }

  process([[channel]]) {
    if (!channel) return true;
    // Several blocks of 128 go into one message; both numbers are powers of two.
    this.kept.set(channel, this.filled);
    this.filled += channel.length;
    if (this.filled >= this.kept.length) {
      this.port.postMessage(this.kept.slice());
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
