/**
 * Answers as text, bars and boxes.
 *
 * @typedef {import("./engine.js").SeenFace} SeenFace
 */
import { show } from "./pictures.js";

/** @param {string} id @returns {any} */
export const element = (id) => document.getElementById(id);

const percent = (share) => `${Math.round(100 * share)}\u00a0%`;
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The most probable class and its probability. @param {SeenFace} face @param {{classes: string[]}} model */
function best(face, model) {
  const place = face.probabilities.indexOf(Math.max(...face.probabilities));
  return { name: model.classes[place], probability: face.probabilities[place], place };
}

/**
 * What was found, in a sentence per face.
 * @param {SeenFace[]} faces @param {any} model @param {number} threshold @param {boolean} [numbers] with probabilities
 */
export function describe(faces, model, threshold, numbers = true) {
  if (!faces.length) return "No face found.";
  const told = faces.map((face, k) => {
    const { name, probability } = best(face, model);
    const text = probability < threshold ? `not sure enough, perhaps ${name}` : name;
    const who = faces.length > 1 ? `Face ${k + 1}: ` : "";
    return `${who}${numbers ? `${text}, ${percent(probability)}` : text}.`;
  });
  return faces.length === 1 ? `One face: ${told[0]}` : `${faces.length} faces. ${told.join(" ")}`;
}

/** What a threshold gained on photographs that nothing was chosen on. */
function abstention({ on, below, answered, accuracy }) {
  return below
    ? `On ${on}, ${percent(answered)} of the faces had ${percent(below)} or more; `
      + `${percent(accuracy)} of their names were right.`
    : `On ${on}, with every face named, ${percent(accuracy)} of the names were right.`;
}

/**
 * Pictures as buttons.
 * @param {HTMLElement} list @param {{file: string, title: string}[]} pictures
 * @returns {{button: HTMLButtonElement, img: HTMLImageElement, title: string}[]}
 */
export function buttons(list, pictures) {
  return pictures.map(({ file, title }) => {
    const button = document.createElement("button");
    const img = new Image();
    Object.assign(img, { src: file, alt: title });
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.append(img);
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
    return { button, img, title };
  });
}

/**
 * Boxes around faces, numbered where there are several; the frame of a camera is shown as in a mirror.
 * @param {HTMLCanvasElement} canvas @param {SeenFace[]} faces @param {number} chosen @param {boolean} mirrored
 */
export function drawBoxes(canvas, faces, chosen, mirrored) {
  const context = canvas.getContext("2d");
  const unit = Math.max(canvas.width, canvas.height) / 400;
  if (mirrored) {
    context.save();
    context.scale(-1, 1);
    context.drawImage(canvas, -canvas.width, 0);
    context.restore();
  }
  context.font = `600 ${16 * unit}px system-ui, sans-serif`;
  faces.forEach(({ box: [left, top, right, bottom] }, k) => {
    const start = mirrored ? canvas.width - right : left;
    for (const [colour, width] of [["#0008", 5], [k === chosen ? "#ffd23f" : "#fff", 2.5]]) {
      context.strokeStyle = /** @type {string} */ (colour);
      context.lineWidth = /** @type {number} */ (width) * unit;
      context.strokeRect(start, top, right - left, bottom - top);
    }
    if (faces.length < 2) return;
    const text = String(k + 1);
    const wide = context.measureText(text).width + 10 * unit;
    context.fillStyle = k === chosen ? "#ffd23f" : "#fff";
    context.fillRect(start, top, wide, 22 * unit);
    context.fillStyle = "#000";
    context.fillText(text, start + 5 * unit, top + 16.5 * unit);
  });
}

/** The answer for one face. */
export class Results {
  /** @param {() => void} onThreshold @param {(face: number) => void} onChoice */
  constructor(onThreshold, onChoice) {
    this.threshold = 0;
    this.onChoice = onChoice;
    this.model = null;
    const slider = element("threshold");
    slider.oninput = () => {
      this.threshold = Number(slider.value) / 100;
      this.writeThreshold();
      onThreshold();
    };
  }

  /** Bars for a model's classes and action units. */
  setModel(model) {
    this.model = model;
    this.bars = writeBars(element("probabilities"), model.classes.map((name) => ({ name, code: "" })));
    const units = model.action_units.map((code, k) => ({ code, name: model.unit_names[k] }));
    this.unitBars = writeBars(element("units"), units);
    element("units-part").hidden = !model.action_units.length;
    element("caution").textContent = model.caution;
    element("limits").replaceChildren(...model.limits.map((limit) => {
      const item = document.createElement("li");
      item.textContent = limit;
      return item;
    }));
    this.writeThreshold();
  }

  writeThreshold() {
    const share = percent(this.threshold);
    element("threshold-value").textContent = share;
    element("threshold").setAttribute("aria-valuetext", share);
    const known = this.model.abstaining.filter(({ below }) => below <= this.threshold + 1e-9).at(-1);
    element("abstaining").textContent = known ? abstention(known) : "";
  }

  /** Buttons, where there are several faces. @param {number} count @param {number} chosen */
  choices(count, chosen) {
    const group = element("chooser");
    group.hidden = count < 2;
    while (group.children.length > count) group.lastChild.remove();
    while (group.children.length < count) {
      const button = document.createElement("button");
      const face = group.children.length;
      Object.assign(button, { type: "button", textContent: `Face ${face + 1}`, onclick: () => this.onChoice(face) });
      group.append(button);
    }
    [...group.children].forEach((button, k) => button.setAttribute("aria-pressed", String(k === chosen)));
  }

  /** @param {SeenFace | undefined} face */
  show(face) {
    const named = element("named");
    if (!face) {
      named.textContent = "No face found";
      element("crop").getContext("2d").clearRect(0, 0, 999, 999);
      this.bars.forEach((bar) => bar.set(0, "–", false));
      this.unitBars.forEach((bar) => bar.set(0, "–", false));
      return;
    }
    const { name, probability, place } = best(face, this.model);
    const sure = probability >= this.threshold;
    const small = document.createElement("small");
    small.textContent = sure
      ? `probability ${percent(probability)}`
      : `${name} has ${percent(probability)}, below the threshold`;
    named.replaceChildren(sure ? capital(name) : "Not sure enough", small);
    show(element("crop"), face.crop);
    this.bars.forEach((bar, k) => bar.set(face.probabilities[k], percent(face.probabilities[k]), k === place));
    this.unitBars.forEach((bar, k) => bar.set(face.units[k] / 5, face.units[k].toFixed(1), false));
  }
}

function writeBars(list, names) {
  list.replaceChildren();
  return names.map(({ code, name }) => {
    const item = document.createElement("li");
    const label = document.createElement("span");
    if (code) {
      const short = document.createElement("code");
      short.textContent = code;
      label.append(short, " ");
    }
    label.append(name);
    const track = document.createElement("span");
    track.className = "track";
    const filled = document.createElement("span");
    filled.className = "filled";
    track.append(filled);
    const value = document.createElement("span");
    value.className = "value";
    item.append(label, track, value);
    list.append(item);
    return {
      set(share, text, first) {
        filled.style.setProperty("--share", String(Math.min(Math.max(share, 0), 1)));
        value.textContent = text;
        item.classList.toggle("first", first);
      },
    };
  });
}
