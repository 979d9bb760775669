/**
 * Every face of an image: the searches of ferdis.preprocess.align.Aligner, in the same order, with the same rules.
 *
 * @typedef {import("./pixels.js").Image} Image
 * @typedef {import("./mtcnn.js").Networks} Networks
 * @typedef {{probability: number, box: number[], points: [number, number][]}} Face  in pixels of the image
 * @typedef {{canvas: number, content: number, min_face: number}} Pass
 * @typedef {{passes: Pass[], confident: number, centre_weight: number, one_face: number, factor: number,
 *     thresholds: number[], grey: number}} Detector  written by ferdis.web, from Python's own constants
 */
import { findFaces } from "./mtcnn.js";
import { resize, rint } from "./pixels.js";

/**
 * The faces of an image, the large and central one first.
 * @param {Image} image @param {Networks} networks @param {Detector} detector
 * @param {boolean} [quick] one search, and a further one only while there is no confident face (for a camera)
 * @returns {Promise<Face[]>}
 */
export async function facesOf(image, networks, detector, quick = false) {
  /** @type {Face | null} */
  let best = null;
  /** @type {Face[][]} */
  const searched = [];
  for (const pass of detector.passes) {
    const faces = await searchOnce(image, pass, networks, detector);
    searched.push(faces);
    if (faces.length) {
      const face = faces[mostProminent(faces, [image.width / 2, image.height / 2], detector)];
      if (best === null || face.probability > best.probability) best = face;
    }
    if (best !== null && best.probability >= detector.confident) break;
  }
  if (best === null) return [];
  const found = [rounded(best)];
  for (let k = 0; k < (quick ? searched.length : detector.passes.length); k++) {
    searched[k] ??= await searchOnce(image, detector.passes[k], networks, detector);
    for (const face of searched[k].map(rounded)) {
      const apart = found.every((other) => overlap(face.box, other.box) <= detector.one_face);
      if (face.probability >= detector.confident && apart) found.push(face);
    }
  }
  return found;
}

/** The faces that one search finds, surest first. */
async function searchOnce(image, pass, networks, detector) {
  const { canvas, scale, offset } = onCanvas(image, pass, detector.grey);
  const faces = await findFaces(canvas, pass.min_face, networks, detector);
  const back = (place, axis) => (place - offset[axis]) / scale[axis];
  return faces.map(({ box, probability, points }) => ({
    probability,
    box: box.map((edge, k) => back(edge, k % 2)),
    points: /** @type {[number, number][]} */ (points.map(([x, y]) => [back(x, 0), back(y, 1)])),
  }));
}

/** The image scaled and centred on a grey square. */
export function onCanvas(image, pass, grey) {
  const ratio = pass.content / Math.max(image.height, image.width);
  const height = Math.max(1, rint(image.height * ratio));
  const width = Math.max(1, rint(image.width * ratio));
  const small = resize(image, height, width);
  const [top, left] = [Math.floor((pass.canvas - height) / 2), Math.floor((pass.canvas - width) / 2)];
  const pixels = new Uint8Array(pass.canvas * pass.canvas * 3).fill(grey);
  for (let y = 0; y < height; y++) {
    pixels.set(small.pixels.subarray(y * width * 3, (y + 1) * width * 3), ((top + y) * pass.canvas + left) * 3);
  }
  return {
    canvas: { width: pass.canvas, height: pass.canvas, pixels },
    scale: [width / image.width, height / image.height],
    offset: [left, top],
  };
}

/** Which face is large and central; only confident ones, if there are any. */
function mostProminent(faces, centre, detector) {
  const someConfident = faces.some((face) => face.probability >= detector.confident);
  let [best, highest] = [0, -Infinity];
  faces.forEach(({ probability, box: [left, top, right, bottom] }, k) => {
    const away = ((left + right) / 2 - centre[0]) ** 2 + ((top + bottom) / 2 - centre[1]) ** 2;
    const score = (right - left) * (bottom - top) - detector.centre_weight * away;
    if (someConfident && probability < detector.confident) return;
    if (score > highest) [best, highest] = [k, score];
  });
  return best;
}

/** As Python stores it. */
function rounded({ probability, box, points }) {
  const two = (value) => rint(value * 100) / 100;
  return {
    probability: rint(probability * 1e4) / 1e4,
    box: box.map(two),
    points: /** @type {[number, number][]} */ (points.map(([x, y]) => [two(x), two(y)])),
  };
}

/** Area that two boxes share, as a share of the smaller one. */
function overlap(one, other) {
  const side = (box, axis) => box[axis + 2] - box[axis];
  const shared = [0, 1]
    .map((axis) => Math.max(Math.min(one[axis + 2], other[axis + 2]) - Math.max(one[axis], other[axis]), 0))
    .reduce((wide, tall) => wide * tall);
  return shared / Math.max(Math.min(side(one, 0) * side(one, 1), side(other, 0) * side(other, 1)), 1e-9);
}
