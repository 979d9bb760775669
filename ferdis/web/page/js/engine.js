/**
 * The page's side of the worker: each task is a promise.
 *
 * @typedef {import("./pixels.js").Image} Image
 * @typedef {import("./worker.js").Model} Model
 * @typedef {import("./detection.js").Face & {crop: Image, probabilities: number[], units: number[]}} SeenFace
 */

const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
/** @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void}>} */
const waiting = new Map();
let count = 0;

worker.onmessage = ({ data: { id, result, error } }) => {
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (error === undefined) resolve(result);
  else reject(new Error(error));
};
worker.onerror = () => {
  const problem = new Error("This browser cannot run the page: it needs WebAssembly with SIMD, and module workers.");
  for (const { reject } of waiting.values()) reject(problem);
  waiting.clear();
};

function ask(task, given) {
  return new Promise((resolve, reject) => {
    waiting.set(++count, { resolve, reject });
    worker.postMessage({ id: count, task, ...given });
  });
}

/** Load everything; `?threads=2` asks for as many threads. @returns {Promise<{threads: number}>} */
export function start() {
  const asked = Number(new URLSearchParams(location.search).get("threads"));
  const threads = asked >= 1 ? { threads: Math.trunc(asked) } : {};
  return ask("start", { root: new URL("./", document.baseURI).href, ...threads });
}

/** @param {Image} image @param {Model} model @param {boolean} [quick] @returns {Promise<SeenFace[]>} */
export const look = (image, model, quick = false) => ask("look", { image, model, quick });

/** @param {Image[]} crops @param {Model} model @returns {Promise<{probabilities: number[], units: number[]}[]>} */
export const classify = (crops, model) => ask("classify", { crops, model });

/** @param {Image} image @param {[number, number][]} points @param {Model} model @returns {Promise<Image>} */
export const crop = (image, points, model) => ask("crop", { image, points, model });

/**
 * @param {Model} model @param {Image[]} crops
 * @param {{references?: Image[], units?: number[][]}} given @returns {Promise<Image[]>}
 */
export const draw = (model, crops, given) => ask("draw", { model, crops, ...given });
