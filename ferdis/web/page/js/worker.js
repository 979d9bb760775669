/**
 * What computes, apart from the page so that the page never waits: faces, their expressions, drawn faces.
 *
 * Messages are {id, task, ...arguments}; answers are {id, result} or {id, error}.
 *
 * @typedef {import("./pixels.js").Image} Image
 * @typedef {{name: string, file: string, method: string, inputs: string[], classes: string[], action_units: string[],
 *     size: number, template: [number, number][], outside: "fade" | "edge" | "mean" | "reflect"}} Model
 */
import { warp } from "./align.js";
import { facesOf } from "./detection.js";
import { detectorNetworks, fetched, runtime, session, threadsFor } from "./runtime.js";

const MOST_THREADS = 4;
const BATCH = 8; // faces at a time

let site, ort, networks;
/** @type {Map<string, Uint8Array>} */
const files = new Map();
const sessions = new Map();

const tasks = {
  /** Fetch everything, and start what the first picture needs. */
  async start({ root, threads = threadsFor(MOST_THREADS) }) {
    const base = new URL(root);
    site = await (await fetch(new URL("site.json", base))).json();
    const names = [...site.detector.files, ...site.models.map((model) => model.file)];
    const [made] = await Promise.all([
      runtime(base, site.runtime, threads),
      ...names.map(async (name) => files.set(name, await fetched(new URL(name, base)))),
    ]);
    ort = made;
    networks = await detectorNetworks(ort, site.detector.files.map((name) => files.get(name)));
    await sessionOf(site.models.find((model) => model.method === "predict_proba"));
    return { threads };
  },

  /** Every face of an image, with what a model says of each. */
  async look({ image, model, quick }) {
    const faces = await facesOf(image, networks, site.detector, quick);
    const crops = faces.map((face) => warp(image, face.points, model.size, model.template, model.outside));
    const answers = await tasks.classify({ crops, model });
    return faces.map((face, k) => ({ ...face, crop: crops[k], ...answers[k] }));
  },

  /** What a model says of crops. */
  async classify({ crops, model }) {
    const run = await sessionOf(model);
    const answers = [];
    for (let start = 0; start < crops.length; start += BATCH) {
      const some = crops.slice(start, start + BATCH);
      const [probabilities, units] = await run({ [run.inputs[0]]: tensorOf(some) });
      some.forEach((_, k) => {
        answers.push({
          probabilities: rowOf(probabilities, k, some.length),
          units: units && model.action_units.length ? rowOf(units, k, some.length) : [],
        });
      });
    }
    return answers;
  },

  /** The crop of a face as a model wants it. */
  crop({ image, points, model }) {
    return warp(image, points, model.size, model.template, model.outside);
  },

  /** Images that a generator draws: of crops, and of references or rows of action units. */
  async draw({ model, crops, references, units }) {
    const run = await sessionOf(model);
    const drawn = [];
    for (let k = 0; k < crops.length; k++) {
      const inputs = { faces: tensorOf([crops[k]]) };
      if (model.inputs.includes("references")) inputs.references = tensorOf([references[k]]);
      if (model.inputs.includes("au")) {
        inputs.au = new ort.Tensor("float32", Float32Array.from(units[k]), [1, units[k].length]);
      }
      const [images] = await run(inputs);
      const [, height, width] = images.dims;
      const pixels = Uint8Array.from(images.data, (value) => Math.round(255 * value));
      drawn.push({ width, height, pixels });
    }
    return drawn;
  },
};

/** A model's function; started when it is first needed. */
function sessionOf(model) {
  if (!sessions.has(model.file)) sessions.set(model.file, session(ort, files.get(model.file)));
  return sessions.get(model.file);
}

/** Images of one size as uint8 (n, H, W, 3). @param {Image[]} images */
function tensorOf(images) {
  const [{ width, height }] = images;
  const data = new Uint8Array(images.length * height * width * 3);
  images.forEach(({ pixels }, k) => data.set(pixels, k * pixels.length));
  return new ort.Tensor("uint8", data, [images.length, height, width, 3]);
}

/** A row of a tensor of n rows. */
function rowOf(tensor, row, count) {
  const length = tensor.data.length / count;
  return Array.from(tensor.data.subarray(row * length, (row + 1) * length));
}

let last = Promise.resolve();
self.onmessage = ({ data: { id, task, ...given } }) => {
  last = last.then(async () => {
    try {
      self.postMessage({ id, result: await tasks[task](given) });
    } catch (error) {
      self.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
    }
  });
};
