/**
 * A face with known eyes and nose, cropped to a template: ferdis.preprocess.align.warp.
 *
 * @typedef {import("./pixels.js").Image} Image
 * @typedef {[number, number][]} Points  (x, y) in pixels, continuous: the first pixel covers 0..1
 */
import { clip, part, reduce, rint, sample } from "./pixels.js";

/**
 * Least-squares similarity transform of points to points (Umeyama 1991, without reflection).
 * @param {Points} source @param {Points} target
 * @returns {{a: number, b: number, x: number, y: number}} (u, v) -> (a u - b v + x, b u + a v + y)
 */
export function similarity(source, target) {
  const [s, t] = [mean(source), mean(target)];
  let [real, imaginary, spread] = [0, 0, 0];
  source.forEach(([u, v], k) => {
    const [su, sv] = [u - s[0], v - s[1]];
    const [tu, tv] = [target[k][0] - t[0], target[k][1] - t[1]];
    real += su * tu + sv * tv;
    imaginary += su * tv - sv * tu;
    spread += su * su + sv * sv;
  });
  if (!(spread > 0)) throw new Error("eyes and nose coincide: there is nothing to align on");
  const [a, b] = [real / spread, imaginary / spread];
  return { a, b, x: t[0] - (a * s[0] - b * s[1]), y: t[1] - (b * s[0] + a * s[1]) };
}

/** @param {Points} points @returns {[number, number]} */
function mean(points) {
  const sum = points.reduce(([x, y], [u, v]) => [x + u, y + v], [0, 0]);
  return [sum[0] / points.length, sum[1] / points.length];
}

/**
 * The crop of a face: resampled once, with antialiasing.
 * @param {Image} image
 * @param {Points} points left eye, right eye, nose tip, and more that are not used
 * @param {number} size side of the crop
 * @param {Points} template where the three go, as fractions of the side
 * @returns {Image}
 */
export function warp(image, points, size, template) {
  const target = /** @type {Points} */ (template.map(([x, y]) => [x * size, y * size]));
  const { a, b, x, y } = similarity(points.slice(0, target.length), target);
  const scale = a * a + b * b;
  const [p, q] = [a / scale, -b / scale]; // crop -> image: (u, v) -> (p u - q v + dx, q u + p v + dy)
  const [dx, dy] = [-(p * x - q * y), -(q * x + p * y)];
  const shrink = Math.hypot(p, q); // image pixels per pixel of the crop
  const factor = Math.max(1, Math.trunc(shrink));
  const corners = [[0, 0], [size, 0], [0, size], [size, size]];
  const [left, right] = span(corners.map(([u, v]) => p * u - q * v + dx), image.width, 2 * factor);
  const [top, bottom] = span(corners.map(([u, v]) => q * u + p * v + dy), image.height, 2 * factor);
  let seen = part(image, left, top, right, bottom);
  if (factor > 1) seen = reduce(seen, factor); // whole pixels first, then 2 x 2 samples for the rest
  const samples = shrink > 1 ? 2 : 1;
  const side = size * samples;
  const [across, down] = [new Float32Array(side * side), new Float32Array(side * side)];
  for (let row = 0, k = 0; row < side; row++) {
    const v = (row + 0.5) / samples;
    for (let column = 0; column < side; column++, k++) {
      const u = (column + 0.5) / samples;
      across[k] = ((p * u - q * v + dx - left) / (factor * seen.width)) * 2 - 1;
      down[k] = ((q * u + p * v + dy - top) / (factor * seen.height)) * 2 - 1;
    }
  }
  return { width: size, height: size, pixels: averaged(sample(seen, across, down), size, samples) };
}

/** Samples as whole pixels. */
function averaged(values, size, samples) {
  const result = new Uint8Array(size * size * 3);
  const row = size * samples * 3;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      for (let channel = 0; channel < 3; channel++) {
        const at = y * samples * row + x * samples * 3 + channel;
        let value = values[at];
        if (samples === 2) {
          const upper = Math.fround(values[at] + values[at + 3]);
          const lower = Math.fround(values[at + row] + values[at + row + 3]);
          value = Math.fround(upper + lower) / 4;
        }
        result[(y * size + x) * 3 + channel] = clip(rint(value), 0, 255);
      }
    }
  }
  return result;
}

/** Whole pixels that hold the coordinates and a margin, inside 0..length and at least one. */
function span(coordinates, length, margin) {
  const start = clip(Math.floor(Math.min(...coordinates)) - margin, 0, length - 1);
  const stop = clip(Math.ceil(Math.max(...coordinates)) + margin, start + 1, length);
  return [start, stop];
}
