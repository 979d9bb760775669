/**
 * ONNX Runtime and the files that it runs: everything is fetched once, at the start.
 *
 * @typedef {{InferenceSession: any, Tensor: any, env: any}} Runtime
 */

/**
 * A file, unpacked if it is packed: a server may have unpacked it already.
 * @param {URL} url @returns {Promise<Uint8Array>}
 */
export async function fetched(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url.pathname} is missing (${answer.status}): write the page again`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * ONNX Runtime on WebAssembly, with threads where the page may share memory between them.
 * @param {URL} root of the site @param {{script: string, loader: string, binary: string}} files @param {number} threads
 * @returns {Promise<Runtime>}
 */
export async function runtime(root, files, threads) {
  const [ort, binary] = await Promise.all([
    import(new URL(files.script, root).href),
    fetched(new URL(files.binary, root)),
  ]);
  ort.env.wasm.wasmBinary = binary.buffer;
  ort.env.wasm.wasmPaths = { mjs: new URL(files.loader, root).href };
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  return ort;
}

/** One core is left to the page and its camera. @param {number} most @returns {number} */
export function threadsFor(most) {
  return self.crossOriginIsolated ? Math.max(1, Math.min(most, (navigator.hardwareConcurrency || 1) - 1)) : 1;
}

// Files of ferdis export resize in float64; all optimisations fuse that into an operator that WebAssembly lacks.
const OPTIMISATIONS = ["all", "basic", "disabled"];

/**
 * A model's function: tensors by name -> its outputs in order.
 * @param {Runtime} ort @param {Uint8Array} file
 * @returns {Promise<((inputs: Record<string, any>) => Promise<any[]>) & {inputs: string[]}>}
 */
export async function session(ort, file) {
  const made = await created(ort, file);
  const run = async (inputs) => {
    const answers = await made.run(inputs);
    return made.outputNames.map((name) => answers[name]);
  };
  run.inputs = made.inputNames;
  return run;
}

/** A session with as many optimisations as the model allows. */
async function created(ort, file) {
  let problem;
  for (const graphOptimizationLevel of OPTIMISATIONS) {
    try {
      return await ort.InferenceSession.create(file, { executionProviders: ["wasm"], graphOptimizationLevel });
    } catch (error) {
      problem ??= error;
    }
  }
  throw problem;
}

/**
 * The three networks of the detector, as mtcnn.js calls them.
 * @param {Runtime} ort @param {Uint8Array[]} files
 * @returns {Promise<import("./mtcnn.js").Networks>}
 */
export async function detectorNetworks(ort, files) {
  const runs = await Promise.all(files.map((file) => session(ort, file)));
  const [first, second, third] = runs.map((run) => async (planes, shape, outside) => {
    const inputs = { [run.inputs[0]]: new ort.Tensor("float32", planes, shape) };
    if (outside) inputs[run.inputs[1]] = new ort.Tensor("bool", outside, [shape[2] - 2, shape[3] - 2]);
    return (await run(inputs)).map((tensor) => tensor.data);
  });
  return { first, second, third };
}
