// Sound in and out: WAV of 16 bits, and samples at a model's rate.

import { told } from "./ui.js";

/** A Blob with mono samples of -1 to 1 as WAV of 16 bits. */
export function writeWav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // one channel
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, i) => view.setInt16(44 + 2 * i, Math.max(-32768, Math.min(32767, Math.round(sample * 32768))), true));
  return new Blob([view], { type: "audio/wav" });
}

/** Mono samples of a file of any kind that the browser plays, at a rate. */
export async function readSound(blob, rate) {
  let sound;
  try {
    sound = await new OfflineAudioContext(1, 1, rate).decodeAudioData(await blob.arrayBuffer());
  } catch {
    throw told(`${blob.name ? `${blob.name} is` : "This is"} no recording that the browser can read.`);
  }
  return resampled(sound, rate);
}

/** Mixes an AudioBuffer to one channel at a rate; the browser filters what is too high for it. */
async function resampled(sound, rate) {
  const context = new OfflineAudioContext(1, Math.max(1, Math.round(sound.duration * rate)), rate);
  const source = context.createBufferSource();
  source.buffer = sound;
  source.connect(context.destination);
  source.start();
  return (await context.startRendering()).getChannelData(0);
}

/**
 * Records the microphone.
 *
 * @param {number} seconds How long.
 * @param {number} rate Samples per second that are returned.
 * @param {(share: number) => void} tick Hears how loud it is, 0 to 1, and what share is done.
 */
export async function record(seconds, rate, tick) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw told("The browser lends no microphone to this page: it needs https, or an address on this computer.");
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  } catch (error) {
    throw told(error.name === "NotAllowedError" ? "The microphone was not allowed for this page." : "There is no microphone that answers.");
  }
  // The rate of the microphone: not every browser brings a stream to another.
  const context = new AudioContext();
  try {
    await context.audioWorklet.addModule(new URL("recorder.js", import.meta.url));
    await context.resume();
    const wanted = Math.round(seconds * context.sampleRate);
    const sound = context.createBuffer(1, wanted, context.sampleRate);
    const node = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
    context.createMediaStreamSource(stream).connect(node);
    await new Promise((resolve) => {
      let heard = 0;
      node.port.onmessage = ({ data }) => {
        if (heard >= wanted) return;
        sound.copyToChannel(data.subarray(0, wanted - heard), 0, heard);
        heard += data.length;
        tick(Math.min(1, heard / wanted), data);
        if (heard >= wanted) resolve();
      };
    });
    return await resampled(sound, rate);
  } finally {
    stream.getTracks().forEach((track) => track.stop());
    await context.close();
  }
}

/** Where the loudest stretch of `length` samples begins. */
export function loudest(samples, length) {
  let energy = 0;
  let [best, begin] = [-1, 0];
  for (let i = 0; i < samples.length; i++) {
    energy += samples[i] ** 2 - (i >= length ? samples[i - length] ** 2 : 0);
    if (i >= length - 1 && energy > best * (1 + 1e-9)) [best, begin] = [energy, i - length + 1];
  }
  return begin;
}
