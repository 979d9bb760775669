/**
 * Pixels as ferdis.preprocess computes them: Pillow's resize and reduce, bilinear samples, sums over rectangles.
 *
 * Where Python works in float32, values are rounded to float32 here as well, so that a crop is the same crop.
 *
 * @typedef {{width: number, height: number, pixels: Uint8Array}} Image  RGB, row by row
 */

const BITS = 22; // of Pillow's weights
const f32 = Math.fround;

/** Round half to even, as np.rint and Python's round do. @param {number} x @returns {number} */
export function rint(x) {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}

/** @param {number} x @param {number} low @param {number} high @returns {number} */
export const clip = (x, low, high) => Math.min(Math.max(x, low), high);

/**
 * Weights of Pillow's bilinear filter, widened by the shrinking factor, as whole numbers.
 * @param {number} length of the line @param {number} size of the result
 * @returns {{first: Int32Array, count: Int32Array, weights: Int32Array, most: number}}
 */
function weightsOf(length, size) {
  const scale = length / size;
  const wide = Math.max(scale, 1);
  const most = Math.ceil(wide) * 2 + 1;
  const first = new Int32Array(size);
  const count = new Int32Array(size);
  const weights = new Int32Array(size * most);
  const line = new Float64Array(most);
  for (let place = 0; place < size; place++) {
    const centre = (place + 0.5) * scale;
    const start = Math.max(Math.trunc(centre - wide + 0.5), 0);
    const stop = Math.min(Math.trunc(centre + wide + 0.5), length);
    let total = 0;
    for (let k = 0; k < stop - start; k++) {
      const away = Math.abs((k + start - centre + 0.5) * (1 / wide));
      line[k] = away < 1 ? 1 - away : 0;
      total += line[k];
    }
    for (let k = 0; k < stop - start; k++) {
      weights[place * most + k] = Math.trunc(0.5 + (total === 0 ? line[k] : line[k] / total) * (1 << BITS));
    }
    first[place] = start;
    count[place] = stop - start;
  }
  return { first, count, weights, most };
}

/** A sum of pixels times weights as a pixel. @param {number} sum @returns {number} */
const asPixel = (sum) => clip((sum + (1 << (BITS - 1))) >> BITS, 0, 255);

/**
 * Resize by bilinear interpolation with antialiasing; equals Pillow's, bit for bit.
 * @param {Image} image @param {number} height @param {number} width @returns {Image}
 */
export function resize(image, height, width) {
  const across = image.width === width ? image : resizedAcross(image, width);
  return across.height === height ? across : resizedDown(across, height);
}

function resizedAcross({ width: length, height, pixels }, width) {
  const { first, count, weights, most } = weightsOf(length, width);
  const result = new Uint8Array(height * width * 3);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 3) {
      let from = (y * length + first[x]) * 3;
      let [red, green, blue] = [0, 0, 0];
      for (let k = x * most, end = k + count[x]; k < end; k++, from += 3) {
        red += pixels[from] * weights[k];
        green += pixels[from + 1] * weights[k];
        blue += pixels[from + 2] * weights[k];
      }
      result[to] = asPixel(red);
      result[to + 1] = asPixel(green);
      result[to + 2] = asPixel(blue);
    }
  }
  return { width, height, pixels: result };
}

function resizedDown({ width, height: length, pixels }, height) {
  const { first, count, weights, most } = weightsOf(length, height);
  const row = width * 3;
  const result = new Uint8Array(height * row);
  const sums = new Int32Array(row);
  for (let y = 0; y < height; y++) {
    sums.fill(0);
    for (let k = 0; k < count[y]; k++) {
      const weight = weights[y * most + k];
      const from = (first[y] + k) * row;
      for (let x = 0; x < row; x++) sums[x] += pixels[from + x] * weight;
    }
    for (let x = 0; x < row; x++) result[y * row + x] = asPixel(sums[x]);
  }
  return { width, height, pixels: result };
}

/**
 * Averages of factor x factor pixels, of fewer at the right and lower edges; equals Pillow's reduce.
 * @param {Image} image @param {number} factor @returns {Image}
 */
export function reduce({ width, height, pixels }, factor) {
  const wide = Math.ceil(width / factor);
  const tall = Math.ceil(height / factor);
  const result = new Uint8Array(wide * tall * 3);
  for (let y = 0; y < tall; y++) {
    const bottom = Math.min((y + 1) * factor, height);
    for (let x = 0; x < wide; x++) {
      const right = Math.min((x + 1) * factor, width);
      const area = (bottom - y * factor) * (right - x * factor);
      const share = Math.floor(2 ** 24 / area);
      for (let channel = 0; channel < 3; channel++) {
        let sum = Math.floor(area / 2);
        for (let row = y * factor; row < bottom; row++) {
          for (let column = x * factor; column < right; column++) sum += pixels[(row * width + column) * 3 + channel];
        }
        result[(y * wide + x) * 3 + channel] = Math.floor((sum * share) / 2 ** 24);
      }
    }
  }
  return { width: wide, height: tall, pixels: result };
}

/**
 * Pillow's GaussianBlur: three box blurs across, three down; equals it, bit for bit.
 * @param {Image} image @param {number} radius @returns {Image}
 */
export function blur({ width, height, pixels }, radius) {
  const variance = f32(f32(f32(radius) * f32(radius)) / 3);
  const whole = Math.floor((f32(Math.sqrt(12 * variance + 1)) - 1) / 2);
  const above = f32((2 * whole + 1) * f32(whole * (whole + 1) - f32(3 * variance)));
  const box = f32(whole + f32(above / f32(6 * f32(variance - (whole + 1) ** 2))));
  const across = blurredLines(pixels, height, width, width * 3, 3, box);
  return { width, height, pixels: blurredLines(across, width, height, 3, width * 3, box) };
}

/** Three box blurs of a fractional radius along lines of pixels; ends are repeated. */
function blurredLines(pixels, lines, length, line, step, box) {
  const radius = Math.trunc(box);
  const weight = Math.floor(f32(2 ** 24 / f32(box * 2 + 1)));
  const far = Math.floor((2 ** 24 - (radius * 2 + 1) * weight) / 2); // of the pixel beyond the radius
  const result = pixels.slice();
  const before = new Uint8Array(length);
  const at = (place) => before[clip(place, 0, length - 1)];
  for (let number = 0; number < lines * 3; number++) {
    const start = Math.floor(number / 3) * line + (number % 3);
    for (let pass = 0; pass < 3; pass++) {
      for (let x = 0; x < length; x++) before[x] = result[start + x * step];
      let sum = 0;
      for (let x = -radius - 1; x < radius; x++) sum += at(x);
      for (let x = 0; x < length; x++) {
        sum += at(x + radius) - at(x - radius - 1);
        const value = sum * weight + (at(x - radius - 1) + at(x + radius + 1)) * far;
        result[start + x * step] = Math.floor((value + 2 ** 23) / 2 ** 24);
      }
    }
  }
  return result;
}

/**
 * A rectangle of an image.
 * @param {Image} image @param {number} left @param {number} top @param {number} right @param {number} bottom
 * @returns {Image}
 */
export function part({ width, pixels }, left, top, right, bottom) {
  const row = (right - left) * 3;
  const result = new Uint8Array((bottom - top) * row);
  for (let y = top; y < bottom; y++) {
    const start = (y * width + left) * 3;
    result.set(pixels.subarray(start, start + row), (y - top) * row);
  }
  return { width: right - left, height: bottom - top, pixels: result };
}

/**
 * Bilinear samples; outside the image its edge pixels are repeated.
 * @param {Image} image
 * @param {Float32Array} across -1 is the left edge of the image, 1 the right one
 * @param {Float32Array} down -1 is the upper edge, 1 the lower one
 * @returns {Float32Array} three values per place
 */
export function sample({ width, height, pixels }, across, down) {
  const result = new Float32Array(across.length * 3);
  const half = f32(0.5);
  const [wide, tall] = [f32(width / 2), f32(height / 2)];
  for (let k = 0; k < across.length; k++) {
    const x = clip(f32(f32(f32(across[k] + 1) * wide) - half), 0, width - 1);
    const y = clip(f32(f32(f32(down[k] + 1) * tall) - half), 0, height - 1);
    const [left, top] = [Math.floor(x), Math.floor(y)];
    const [right, bottom] = [Math.min(left + 1, width - 1), Math.min(top + 1, height - 1)];
    const [sx, sy] = [f32(x - left), f32(y - top)];
    const [rx, ry] = [f32(1 - sx), f32(1 - sy)];
    const weights = [f32(rx * ry), f32(sx * ry), f32(rx * sy), f32(sx * sy)];
    const places = [top * width + left, top * width + right, bottom * width + left, bottom * width + right];
    for (let channel = 0; channel < 3; channel++) {
      let sum = 0;
      for (let corner = 0; corner < 4; corner++) {
        sum = f32(sum + f32(pixels[places[corner] * 3 + channel] * weights[corner]));
      }
      result[k * 3 + channel] = sum;
    }
  }
  return result;
}

/** Sums over rectangles of an image, exact: ferdis.preprocess.mtcnn.SumTable. */
export class SumTable {
  /** @param {Image} image @param {number} outside the value of all pixels outside the image */
  constructor({ width, height, pixels }, outside) {
    [this.width, this.height, this.outside, this.step] = [width, height, outside, (width + 1) * 3];
    this.sums = new Int32Array((height + 1) * this.step);
    for (let y = 0, from = 0; y < height; y++) {
      let [red, green, blue] = [0, 0, 0];
      for (let x = 0, to = (y + 1) * this.step + 3; x < width; x++, from += 3, to += 3) {
        red += pixels[from];
        green += pixels[from + 1];
        blue += pixels[from + 2];
        this.sums[to] = this.sums[to - this.step] + red;
        this.sums[to + 1] = this.sums[to + 1 - this.step] + green;
        this.sums[to + 2] = this.sums[to + 2 - this.step] + blue;
      }
    }
  }

  /**
   * A rectangle averaged to height x width, as torch's adaptive_avg_pool2d does, and scaled for the networks.
   * @param {number[]} box left, top, right, bottom: whole numbers, at least a pixel
   * @param {number} height @param {number} width
   * @param {Float32Array} out planes of red, green and blue
   * @param {number} start where the first plane begins @param {number} row length of a row of a plane
   * @param {number} plane length of a plane
   */
  averages([left, top, right, bottom], height, width, out, start, row, plane) {
    const rows = windows(top, bottom, height);
    const columns = windows(left, right, width);
    for (let y = 0; y < height; y++) {
      const [above, below] = [rows[2 * y], rows[2 * y + 1]];
      const upper = clip(above, 0, this.height) * this.step;
      const lower = clip(below, 0, this.height) * this.step;
      const tall = (lower - upper) / this.step;
      for (let x = 0; x < width; x++) {
        const [first, last] = [columns[2 * x], columns[2 * x + 1]];
        const [from, to] = [clip(first, 0, this.width) * 3, clip(last, 0, this.width) * 3];
        const area = (below - above) * (last - first);
        const grey = this.outside * (area - (tall * (to - from)) / 3);
        for (let channel = 0; channel < 3; channel++) {
          const inside = this.sums[lower + to + channel] - this.sums[upper + to + channel]
            - this.sums[lower + from + channel] + this.sums[upper + from + channel];
          const mean = f32(f32(inside + grey) / area);
          out[start + channel * plane + y * row + x] = f32(mean - 127.5) / 128;
        }
      }
    }
  }
}

/** First and one past the last pixel that each of `count` averages covers. */
function windows(start, stop, count) {
  const length = stop - start;
  const result = new Int32Array(2 * count);
  for (let k = 0; k < count; k++) {
    result[2 * k] = start + Math.floor((k * length) / count);
    result[2 * k + 1] = start + Math.ceil(((k + 1) * length) / count);
  }
  return result;
}
