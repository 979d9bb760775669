/**
 * A face with known eyes and nose, cropped to a template: ferdis.preprocess.warp.
 *
 * @typedef {import("./pixels.js").Image} Image
 * @typedef {[number, number][]} Points  (x, y) in pixels, continuous: the first pixel covers 0..1
 */
import { blur, clip, part, reduce, rint, sample } from "./pixels.js";

const FADE = 0.1; // of a crop's side: over how much "fade" dissolves
const BLUR = 0.12; // of a crop's side: radius of what it dissolves into

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
 * @param {"fade" | "edge" | "mean" | "reflect"} outside what is shown beyond the border of the image
 * @returns {Image}
 */
export function warp(image, points, size, template, outside) {
  const target = /** @type {Points} */ (template.map(([x, y]) => [x * size, y * size]));
  const { a, b, x, y } = similarity(points.slice(0, target.length), target);
  const scale = a * a + b * b;
  const [p, q] = [a / scale, -b / scale]; // crop -> image: (u, v) -> (p u - q v + dx, q u + p v + dy)
  const [dx, dy] = [-(p * x - q * y), -(q * x + p * y)];
  const shrink = Math.hypot(p, q); // image pixels per pixel of the crop
  const factor = Math.max(1, Math.trunc(shrink));
  const mirrored = outside === "fade" || outside === "reflect";
  const corners = [[0, 0], [size, 0], [0, size], [size, size]];
  const [left, right] = span(corners.map(([u, v]) => p * u - q * v + dx), image.width, 2 * factor, mirrored);
  const [top, bottom] = span(corners.map(([u, v]) => q * u + p * v + dy), image.height, 2 * factor, mirrored);
  let seen = part(image, left, top, right, bottom);
  if (factor > 1) seen = reduce(seen, factor); // whole pixels first, then 2 x 2 samples for the rest
  const samples = shrink > 1 ? 2 : 1;
  const side = size * samples;
  const [across, down] = [new Float64Array(side * side), new Float64Array(side * side)];
  for (let row = 0, k = 0; row < side; row++) {
    const v = (row + 0.5) / samples;
    for (let column = 0; column < side; column++, k++) {
      const u = (column + 0.5) / samples;
      across[k] = p * u - q * v + dx;
      down[k] = q * u + p * v + dy;
    }
  }
  const beyond = across.map((place, k) => {
    return Math.hypot(place - clip(place, 0, image.width), down[k] - clip(down[k], 0, image.height));
  });
  const reaches = beyond.some((distance) => distance > 0);
  if (mirrored) [across, down].forEach((places, axis) => reflect(places, axis ? image.height : image.width));
  const values = sample(
    seen,
    Float32Array.from(across, (place) => ((place - left) / (factor * seen.width)) * 2 - 1),
    Float32Array.from(down, (place) => ((place - top) / (factor * seen.height)) * 2 - 1),
  );
  if (outside === "mean" && reaches) fillWithMean(values, beyond, seen);
  const crop = { width: size, height: size, pixels: averaged(values, size, samples) };
  if (outside !== "fade" || !reaches) return crop;
  return faded(crop, distances(beyond, size, samples).map((distance) => distance / shrink));
}

/** Coordinates mirrored at 0 and at `length` until they are between them. */
function reflect(places, length) {
  if (places.every((place) => place >= 0 && place <= length)) return;
  places.forEach((place, k) => {
    const turn = place - Math.floor(place / (2 * length)) * 2 * length;
    places[k] = length - Math.abs(turn - length);
  });
}

/** Samples beyond the image as the mean of those inside, or of what is seen. */
function fillWithMean(values, beyond, seen) {
  const inside = [...beyond.keys()].filter((k) => beyond[k] === 0);
  const everywhere = () => [...Array(seen.width * seen.height).keys()];
  const [source, places] = inside.length ? [values, inside] : [seen.pixels, everywhere()];
  for (let channel = 0; channel < 3; channel++) {
    const mean = places.reduce((sum, k) => sum + source[k * 3 + channel], 0) / places.length;
    beyond.forEach((distance, k) => {
      if (distance > 0) values[k * 3 + channel] = mean;
    });
  }
}

/** A crop that dissolves into its blur with the distance from what is its image. */
function faded(crop, beyond) {
  const blurred = blur(crop, BLUR * crop.width).pixels;
  const pixels = crop.pixels.map((value, k) => {
    const way = clip(beyond[Math.floor(k / 3)] / (FADE * crop.width), 0, 1);
    const share = way ** 2 * (3 - 2 * way);
    return rint(value * (1 - share) + blurred[k] * share);
  });
  return { ...crop, pixels };
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

/** Distances of samples as those of pixels. */
function distances(values, size, samples) {
  if (samples === 1) return values;
  const row = size * 2;
  return new Float64Array(size * size).map((_, k) => {
    const at = Math.floor(k / size) * 2 * row + (k % size) * 2;
    return (values[at] + values[at + 1] + values[at + row] + values[at + row + 1]) / 4;
  });
}

/** Whole pixels that hold the coordinates, as they are or mirrored, and a margin; inside 0..length, one at least. */
function span(coordinates, length, margin, mirrored) {
  let [low, high] = [Math.min(...coordinates), Math.max(...coordinates)];
  if (mirrored && (high - low >= length || low < -length || high > 2 * length)) [low, high] = [0, length];
  else if (mirrored) [low, high] = [Math.min(low, 2 * length - high), Math.max(high, -low)];
  const start = clip(Math.floor(low) - margin, 0, length - 1);
  const stop = clip(Math.ceil(high) + margin, start + 1, length);
  return [start, stop];
}
