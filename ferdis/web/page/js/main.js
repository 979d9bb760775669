/**
 * The page: pictures in, answers out. What computes is in worker.js.
 *
 * @typedef {import("./pixels.js").Image} Image
 * @typedef {import("./engine.js").SeenFace} SeenFace
 */
import { Camera } from "./camera.js";
import { Editor } from "./editing.js";
import * as engine from "./engine.js";
import { readPicture, show } from "./pictures.js";
import { buttons, describe, drawBoxes, element, Results } from "./results.js";

const opened = performance.now();
const started = engine.start();
started.catch(() => {}); // told below
const [status, error, view, stage] = ["status", "error", "view", "stage"].map(element);

/** What is on the page now. @type {{image: Image | null, name: string, faces: SeenFace[], face: number, model: any}} */
const now = { image: null, name: "", faces: [], face: 0, model: null };
let turn = 0; // of pictures: an answer to an earlier one is dropped

const site = await (await fetch("site.json")).json();
const recognisers = site.models.filter((model) => model.method === "predict_proba");
const results = new Results(() => results.show(now.faces[now.face]), choose);
const editor = new Editor(site, readPicture);
const camera = new Camera({ onFrame, onEnd: () => setCamera(false) });

now.model = recognisers[0];
writeModels();
const people = writePeople();
document.body.dataset.state = "loading";
try {
  const { threads } = await started;
  Object.assign(document.body.dataset, { state: "ready", threads });
  element("made").textContent = `ferdis ${site.version}, ONNX Runtime Web ${site.runtime.version} on `
    + `${threads === 1 ? "one thread" : `${threads} threads`}.`;
  listen();
  await people[0].img.decode();
  await open(people[0].img, people[0].title, true);
  document.body.dataset.firstAnswer = String(Math.round(performance.now() - opened));
} catch (problem) {
  complain(problem);
}

function listen() {
  element("file").onchange = ({ target }) => {
    if (target.files.length) open(target.files[0], target.files[0].name);
    target.value = ""; // so that the same file can be chosen again
  };
  element("camera").onclick = () => setCamera(!camera.running);
  element("model").onchange = ({ target }) => setModel(recognisers[target.selectedIndex]);
  view.onclick = (event) => {
    const scale = view.width / view.clientWidth;
    const box = view.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    const hit = now.faces.findIndex(({ box: [left, top, right, bottom] }) => {
      return x >= left && x < right && y >= top && y < bottom;
    });
    if (hit >= 0) choose(hit);
  };
  let inside = 0; // children of the page are entered and left, too
  document.ondragenter = () => stage.classList.toggle("dropping", ++inside > 0);
  document.ondragleave = () => stage.classList.toggle("dropping", --inside > 0);
  document.ondragover = (event) => event.preventDefault();
  document.ondrop = (event) => {
    event.preventDefault();
    stage.classList.toggle("dropping", (inside = 0) > 0);
    const [file] = event.dataTransfer.files;
    if (file) open(file, file.name);
  };
  document.onpaste = (event) => {
    const [file] = event.clipboardData.files;
    if (file) open(file, "The pasted picture");
  };
}

/**
 * Look at a picture.
 * @param {Blob | HTMLImageElement} source @param {string} name @param {boolean} [quick] one search for faces
 */
async function open(source, name, quick = false) {
  setCamera(false);
  const mine = ++turn;
  error.hidden = true;
  status.textContent = `Looking at ${name}.`;
  for (const { img, button } of people) button.setAttribute("aria-pressed", String(img === source));
  try {
    const image = await readPicture(source, name);
    const faces = await engine.look(image, now.model, quick);
    if (mine !== turn) return;
    Object.assign(now, { image, name, faces, face: 0 });
    drawStage(false);
    results.choices(faces.length, 0);
    results.show(faces[0]);
    status.textContent = describe(faces, now.model, results.threshold);
    edit(image, faces[0]);
  } catch (problem) {
    if (mine === turn) complain(problem);
  }
}

/** A frame of the camera. @param {Image} image */
async function onFrame(image) {
  const faces = await engine.look(image, now.model, true);
  if (!camera.running) return;
  Object.assign(now, { image, name: "the camera", faces, face: Math.min(now.face, Math.max(faces.length - 1, 0)) });
  drawStage(true);
  results.choices(faces.length, now.face);
  results.show(faces[now.face]);
  document.body.dataset.rate = camera.rate.toFixed(1);
  const words = `${describe(faces, now.model, results.threshold, false)} ${Math.round(camera.rate)} frames per second.`;
  if (camera.mayTell()) status.textContent = words;
}

async function setCamera(on) {
  const button = element("camera");
  if (on) {
    turn++;
    error.hidden = true;
    editor.close();
    try {
      await camera.start();
      for (const { button: other } of people) other.setAttribute("aria-pressed", "false");
    } catch (problem) {
      complain(problem);
    }
  } else if (camera.running) {
    camera.stop();
    status.textContent = "The camera is off.";
    if (now.image) edit(now.image, now.faces[now.face]);
  }
  button.setAttribute("aria-pressed", String(camera.running));
  button.textContent = camera.running ? "Stop the camera" : "Use the camera";
}

/** Another model, and its answer for the same picture. */
async function setModel(model) {
  now.model = model;
  results.setModel(model);
  if (!now.image || camera.running) return;
  const mine = ++turn;
  status.textContent = `Looking at ${now.name} again.`;
  try {
    const faces = await engine.look(now.image, model);
    if (mine !== turn) return;
    Object.assign(now, { faces, face: Math.min(now.face, Math.max(faces.length - 1, 0)) });
    results.choices(faces.length, now.face);
    results.show(faces[now.face]);
    status.textContent = describe(faces, model, results.threshold);
  } catch (problem) {
    if (mine === turn) complain(problem);
  }
}

/** Another face of the picture. @param {number} face */
function choose(face) {
  now.face = face;
  results.choices(now.faces.length, face);
  results.show(now.faces[face]);
  drawStage(camera.running);
  if (!camera.running) edit(now.image, now.faces[face]);
}

/** Give a face to the generators, if there are any; nothing waits for them. */
function edit(image, face) {
  editor.open(image, face ?? null).catch(complain);
}

function drawStage(mirrored) {
  show(view, now.image);
  drawBoxes(view, now.faces, now.face, mirrored);
  const count = now.faces.length;
  view.setAttribute("aria-label", `${now.name}: ${count === 1 ? "one face" : `${count || "no"} faces`}`);
}

function complain(problem) {
  error.textContent = problem instanceof Error ? problem.message : String(problem);
  error.hidden = false;
  status.textContent = "";
  if (document.body.dataset.state === "loading") document.body.dataset.state = "failed";
}

function writeModels() {
  const select = element("model");
  for (const model of recognisers) select.append(new Option(model.title, model.name));
  element("model-choice").hidden = recognisers.length < 2;
  results.setModel(now.model);
}

function writePeople() {
  const made = buttons(element("people"), site.people);
  for (const { button, img, title } of made) button.onclick = () => open(img, title);
  return made;
}
