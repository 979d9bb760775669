/**
 * The search of MTCNN in one canvas: ferdis.preprocess.mtcnn.find_faces, step by step.
 *
 * @typedef {import("./pixels.js").Image} Image
 * @typedef {{box: number[], moves: number[], sure: number, points: number[], level: number}} Candidate
 * @typedef {(images: Float32Array, shape: number[], outside?: Uint8Array) => Promise<Float32Array[]>} Network
 *     planes of (n, 3, h, w) -> the network's answers, in order
 * @typedef {{first: Network, second: Network, third: Network}} Networks
 * @typedef {{factor: number, thresholds: number[], grey: number}} Search  as Python has them
 */
import { SumTable, clip } from "./pixels.js";

const f32 = Math.fround;
const CELL = 12; // what an output of the first network sees
const STRIDE = 2;
const OVERLAP_LEVEL = f32(0.5);
const OVERLAP = f32(0.7);

/**
 * @param {Image} image @param {number} minFace side of the smallest face, in pixels
 * @param {Networks} networks @param {Search} search
 * @returns {Promise<{box: number[], probability: number, points: [number, number][]}[]>} surest first
 */
export async function findFaces(image, minFace, networks, search) {
  const table = new SumTable(image, search.grey);
  const [, second, third] = search.thresholds.map(f32);
  let found = await firstCandidates(networks.first, table, minFace, search);
  found = await judged(networks.second, table, found, 24, second);
  found = suppressed(found, OVERLAP).map(moved).map(squared);
  found = await judged(networks.third, table, found, 48, third);
  for (const face of found) face.points = pointsOf(face);
  return suppressedInside(found.map(moved)).map(({ box, sure, points }) => ({
    box,
    probability: sure,
    points: /** @type {[number, number][]} */ ([0, 1, 2, 3, 4].map((k) => [points[k], points[k + 5]])),
  }));
}

/** Candidates of the first network on all levels of the pyramid, as squares. */
async function firstCandidates(network, table, minFace, search) {
  const layout = layoutOf(table.height, table.width, minFace, search.factor);
  if (!layout.levels.length) return [];
  const { height, width } = layout;
  const sheet = new Float32Array(3 * height * width);
  const whole = [0, 0, table.width, table.height];
  for (const level of layout.levels) {
    const start = level.top * width + level.left;
    table.averages(whole, level.height, level.width, sheet, start, width, height * width);
  }
  const [moves, sure] = await network(sheet, [1, 3, height, width], layout.outside);
  const [rows, columns] = [outputs(height), outputs(width)];
  const least = f32(search.thresholds[0]);
  /** @type {Candidate[]} */
  const found = [];
  layout.levels.forEach((level, number) => {
    const scale = f32(level.scale);
    for (let row = 0; row < outputs(level.height); row++) {
      for (let column = 0; column < outputs(level.width); column++) {
        const at = (level.top / 2 + row) * columns + level.left / 2 + column;
        const probability = sure[rows * columns + at];
        if (!(probability >= least)) continue;
        const [x, y] = [column * STRIDE, row * STRIDE];
        const box = [x + 1, y + 1, x + CELL, y + CELL].map((place) => Math.floor(f32(place / scale)));
        const shift = [0, 1, 2, 3].map((k) => moves[k * rows * columns + at]);
        found.push({ box, moves: shift, sure: probability, points: [], level: number });
      }
    }
  });
  const kept = layout.levels.flatMap((_, number) => {
    return suppressed(found.filter(({ level }) => level === number), OVERLAP_LEVEL);
  });
  return suppressed(bySureness(kept), OVERLAP).map((one) => {
    const side = [one.box[2] - one.box[0], one.box[3] - one.box[1]];
    return squared({ ...one, box: one.box.map((edge, k) => f32(edge + f32(side[k % 2] * one.moves[k]))) });
  });
}

const layouts = new Map();

/** All levels side by side on one sheet, and which of its places after the first layer belong to none. */
export function layoutOf(height, width, minFace, factor) {
  const key = `${height} ${width} ${minFace}`;
  if (layouts.has(key)) return layouts.get(key);
  const levels = [];
  let [scale, left, top, column] = [CELL / minFace, 0, 0, 0];
  while (Math.min(height, width) * scale >= CELL) {
    const [tall, wide] = [Math.trunc(height * scale + 1), Math.trunc(width * scale + 1)];
    if (levels.length && top + tall > levels[0].height) [left, top, column] = [left + column, 0, 0];
    levels.push({ scale, height: tall, width: wide, top, left });
    [top, column] = [top + tall + (tall % 2), Math.max(column, wide + (wide % 2))];
    scale *= factor;
  }
  const layout = { levels, height: 0, width: 0, outside: new Uint8Array(0) };
  if (levels.length) {
    layout.height = levels[0].height;
    layout.width = Math.max(...levels.map((level) => level.left + level.width));
    layout.outside = new Uint8Array((layout.height - 2) * (layout.width - 2)).fill(1);
    for (const level of levels) {
      for (let row = level.top; row < level.top + level.height - 2; row++) {
        const start = row * (layout.width - 2) + level.left;
        layout.outside.fill(0, start, start + level.width - 2);
      }
    }
  }
  layouts.set(key, layout);
  return layout;
}

/** How many places the first network looks at on a side. */
const outputs = (side) => Math.floor((side - 1) / 2) - 4;

/** Candidates that a network takes for faces, with its moves and, of the third network, its points in 0..1. */
async function judged(network, table, candidates, side, threshold) {
  const pixels = candidates.map(({ box }) => box.map((edge, k) => Math.floor(edge) - (k < 2 ? 1 : 0)));
  const limit = [table.width, table.height];
  const seen = pixels.map((box) => {
    const within = box.map((edge, k) => clip(edge, 0, limit[k % 2]));
    return within[2] > within[0] && within[3] > within[1]; // at least a pixel of the image
  });
  const some = candidates.filter((_, k) => seen[k]);
  if (!some.length) return [];
  const planes = new Float32Array(some.length * 3 * side * side);
  pixels.filter((_, k) => seen[k]).forEach((box, k) => {
    table.averages(box, side, side, planes, k * 3 * side * side, side, side * side);
  });
  const answers = await network(planes, [some.length, 3, side, side]);
  const [moves, sure] = [answers[0], answers[answers.length - 1]];
  const points = answers.length === 3 ? answers[1] : new Float32Array(0);
  return some
    .map((one, k) => ({
      ...one,
      moves: [...moves.subarray(4 * k, 4 * k + 4)],
      sure: sure[2 * k + 1],
      points: [...points.subarray(10 * k, 10 * k + 10)],
    }))
    .filter((one) => one.sure > threshold);
}

/** Points as shares of the box -> pixels, five x and then five y. */
function pointsOf({ box, points }) {
  return points.map((share, k) => {
    const axis = k < 5 ? 0 : 1;
    const side = f32(f32(box[axis + 2] - box[axis]) + 1);
    return f32(f32(f32(side * share) + box[axis]) - 1);
  });
}

/** A box with each edge moved by a share of the side. */
function moved(one) {
  const side = [0, 1].map((axis) => f32(f32(one.box[axis + 2] - one.box[axis]) + 1));
  return { ...one, box: one.box.map((edge, k) => f32(edge + f32(side[k % 2] * one.moves[k]))) };
}

/** A box widened about its centre to a square of the longer side. */
function squared(one) {
  const side = [0, 1].map((axis) => f32(one.box[axis + 2] - one.box[axis]));
  const longer = Math.max(...side);
  const corner = [0, 1].map((axis) => f32(f32(one.box[axis] + side[axis] * 0.5) - longer * 0.5));
  return { ...one, box: [...corner, ...corner.map((place) => f32(place + longer))] };
}

/** @param {Candidate[]} found @returns {Candidate[]} */
const bySureness = (found) => [...found].sort((one, other) => other.sure - one.sure);

/**
 * Candidates that stay, surest first: none shares more than `overlap` of the area of both with a surer one.
 * @param {Candidate[]} found @param {number} overlap @returns {Candidate[]}
 */
export function suppressed(found, overlap) {
  const area = ({ box }) => f32(f32(box[2] - box[0]) * f32(box[3] - box[1]));
  return survivors(found, (one, other) => {
    const both = shared(one.box, other.box, 0);
    return f32(both / f32(f32(area(one) + area(other)) - both)) <= overlap;
  });
}

/** The same by the share of the smaller box, so that a box inside another one goes as well. */
export function suppressedInside(found) {
  const area = ({ box }) => f32(f32(f32(box[2] - box[0]) + 1) * f32(f32(box[3] - box[1]) + 1));
  return survivors(found, (one, other) => {
    return shared(one.box, other.box, 1) <= f32(OVERLAP * Math.min(area(one), area(other)));
  });
}

function survivors(found, apart) {
  let rest = bySureness(found);
  const kept = [];
  while (rest.length) {
    const [first, ...others] = rest;
    kept.push(first);
    rest = others.filter((other) => apart(first, other));
  }
  return kept;
}

/** Area that two boxes share; `more` is added to its sides. */
function shared(one, other, more) {
  const [wide, tall] = [0, 1].map((axis) => {
    const side = f32(Math.min(one[axis + 2], other[axis + 2]) - Math.max(one[axis], other[axis]));
    return Math.max(f32(side + more), 0);
  });
  return f32(wide * tall);
}
