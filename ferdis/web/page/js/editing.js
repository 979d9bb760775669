/**
 * Generators of one's own: action units by sliders, the expression of a reference, and the way from one to the other.
 *
 * @typedef {import("./pixels.js").Image} Image
 * @typedef {import("./engine.js").SeenFace} SeenFace
 */
import * as engine from "./engine.js";
import { show } from "./pictures.js";
import { buttons, element } from "./results.js";

const STEPS = 7; // of the strip
const HIGHEST = 5; // intensity

export class Editor {
  /** @param {any} site @param {(source: any, name: string) => Promise<Image>} readPicture */
  constructor(site, readPicture) {
    this.generators = site.models.filter((model) => model.method !== "predict_proba");
    this.reader = site.models.find((model) => model.action_units.length && model.method === "predict_proba");
    this.readPicture = readPicture;
    /** @type {{image: Image, face: SeenFace} | null} */
    this.of = null;
    this.units = []; // of the face, as read
    [this.busy, this.wanted, this.count] = [false, null, 0];
    if (!this.generators.length) return;
    this.references = buttons(element("references"), site.people.filter(({ single }) => single));
    for (const one of this.references) one.button.onclick = () => this.refer(one.img, one.title);
    element("reference-file").onchange = ({ target }) => {
      if (target.files.length) this.refer(target.files[0], target.files[0].name);
      target.value = "";
    };
    const select = element("generator");
    for (const model of this.generators) select.append(new Option(model.title, model.name));
    select.onchange = () => this.use(this.generators[select.selectedIndex]);
    element("generator-choice").hidden = this.generators.length < 2;
    element("as-read").onclick = () => this.setSliders(this.units);
    element("all-zero").onclick = () => this.setSliders(this.units.map(() => 0));
    this.use(this.generators[0]);
  }

  /** Another generator. */
  use(model) {
    this.model = model;
    this.reference = null;
    const [edits, transfers] = [model.inputs.includes("au"), model.inputs.includes("references")];
    element("sliders-part").hidden = !edits;
    for (const id of ["references-part", "reference-part"]) element(id).hidden = !transfers;
    element("strip-part").hidden = !(edits || transfers);
    element("strip-title").textContent = edits ? "From the face to the sliders" : "With each expression above";
    element("drawn-caption").textContent = `drawn by ${model.title}`;
    if (edits) this.writeSliders(model);
    if (this.of) this.open(this.of.image, this.of.face);
  }

  /** A face of a picture, or none. @param {Image} image @param {SeenFace | null} face */
  async open(image, face) {
    if (!this.generators.length) return;
    if (!face) {
      this.close();
      return;
    }
    this.of = { image, face };
    element("editing").hidden = false;
    const model = this.model;
    const crop = await engine.crop(image, face.points, model);
    const units = model.inputs.includes("au") ? await this.read(image, face) : [];
    if (model !== this.model || this.of?.face !== face) return;
    [this.crop, this.units] = [crop, units];
    show(element("source"), crop);
    if (model.inputs.includes("au")) this.setSliders(units);
    else if (!model.inputs.includes("references")) await this.redraw();
    else if (this.reference) await this.redraw(true);
    else await this.refer(this.references.at(-1).img, this.references.at(-1).title);
  }

  close() {
    this.of = null;
    element("editing").hidden = true;
  }

  /** Intensities of the face, in the generator's order. */
  async read(image, face) {
    const crop = await engine.crop(image, face.points, this.reader);
    const [{ units }] = await engine.classify([crop], this.reader);
    return this.model.action_units.map((name) => {
      const value = units[this.reader.action_units.indexOf(name)] ?? 0;
      return Math.round(10 * value) / 10;
    });
  }

  writeSliders(model) {
    this.sliders = model.action_units.map((code, k) => {
      const label = document.createElement("label");
      const short = document.createElement("code");
      short.textContent = code;
      const name = document.createElement("span");
      name.append(short, " ", model.unit_names[k]);
      const value = document.createElement("output");
      const slider = document.createElement("input");
      Object.assign(slider, { type: "range", min: "0", max: String(HIGHEST), step: "0.1", value: "0" });
      slider.id = `slider-${code}`;
      label.htmlFor = slider.id;
      slider.oninput = () => {
        value.textContent = Number(slider.value).toFixed(1);
        this.redraw();
      };
      slider.onchange = () => this.redraw(true);
      label.append(name, value, slider);
      return { label, slider, value };
    });
    element("sliders").replaceChildren(...this.sliders.map(({ label }) => label));
  }

  setSliders(values) {
    this.sliders.forEach(({ slider, value }, k) => {
      slider.value = String(values[k]);
      value.textContent = Number(slider.value).toFixed(1);
    });
    return this.redraw(true);
  }

  /** Take the expression of a picture's first face. */
  async refer(source, title) {
    const { model, of } = this;
    try {
      const image = await this.readPicture(source, title);
      const [face] = await engine.look(image, this.reader);
      if (!face) throw new Error(`No face found in ${title}.`);
      const crop = await engine.crop(image, face.points, model);
      if (model !== this.model || of !== this.of) return;
      this.reference = crop;
      show(element("reference"), crop);
      for (const { button, img } of this.references) button.setAttribute("aria-pressed", String(img === source));
      await this.redraw(true);
    } catch (problem) {
      element("drawn-status").textContent = problem.message;
    }
  }

  /**
   * Draw what the sliders or the reference ask for, and the strip as well if the hand is still. Of what is asked for
   * during a drawing, the last is drawn after it.
   * @param {boolean} [strip]
   */
  async redraw(strip = false) {
    if (!this.of) return;
    this.wanted = { strip: strip || Boolean(this.wanted?.strip) };
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.wanted && this.of) {
        const { strip: all } = this.wanted;
        this.wanted = null;
        await this.drawOnce();
        if (all && !this.wanted) await this.drawStrip();
      }
    } catch (problem) {
      element("drawn-status").textContent = problem.message;
    } finally {
      this.busy = false;
    }
  }

  async drawOnce() {
    const { model, crop } = this;
    const given = {};
    if (model.inputs.includes("au")) given.units = [this.values()];
    if (model.inputs.includes("references")) given.references = [this.reference];
    const started = performance.now();
    const [image] = await engine.draw(model, [crop], given);
    show(element("drawn"), image);
    element("drawn-status").textContent = `Drawn in ${Math.round(performance.now() - started)} ms.`;
    document.body.dataset.drawn = String(++this.count);
  }

  values() {
    return this.sliders.map(({ slider }) => Number(slider.value));
  }

  /** The strip below; given up for what is asked for meanwhile. */
  async drawStrip() {
    const { model, crop } = this;
    if (element("strip-part").hidden) return;
    const shown = [];
    for (const { text, given } of model.inputs.includes("au") ? this.interpolated() : await this.referenceFrames()) {
      if (this.wanted) return;
      const [image] = await engine.draw(model, [crop], given);
      const item = document.createElement("li");
      const canvas = document.createElement("canvas");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", text);
      const caption = document.createElement("span");
      caption.textContent = text;
      show(canvas, image);
      item.append(canvas, caption);
      shown.push(item);
    }
    element("strip").replaceChildren(...shown);
    document.body.dataset.strip = String(this.count);
  }

  /** From the face's own action units to those of the sliders, both ends included. */
  interpolated() {
    const target = this.values();
    return Array.from({ length: STEPS }, (_, step) => {
      const share = step / (STEPS - 1);
      const units = this.units.map((value, k) => value + share * (target[k] - value));
      return { text: `${Math.round(100 * share)} %`, given: { units: [units] } };
    });
  }

  /** Each of the drawn references. */
  async referenceFrames() {
    if (this.framesOf !== this.model) {
      this.frames = [];
      for (const { img, title } of this.references) {
        const image = await this.readPicture(img, title);
        const [face] = await engine.look(image, this.reader);
        if (!face) continue;
        const reference = await engine.crop(image, face.points, this.model);
        this.frames.push({ text: title.split(", ").at(-1), given: { references: [reference] } });
      }
      this.framesOf = this.model;
    }
    return this.frames;
  }
}
