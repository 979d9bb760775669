/**
 * Files, the clipboard and frames of a camera as pixels, and pixels on a canvas.
 *
 * @typedef {import("./pixels.js").Image} Image
 */

const MOST_PIXELS = 64e6; // as ferdis reads them

/**
 * A picture as upright RGB; transparency is laid over white, colour profiles are not applied.
 * @param {Blob | HTMLImageElement} source @param {string} name for messages
 * @returns {Promise<Image>}
 */
export async function readPicture(source, name) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(source, { colorSpaceConversion: "none", imageOrientation: "from-image" });
  } catch {
    throw new Error(`${name} is no picture that this browser reads: choose a JPEG, PNG, WebP, GIF or BMP file.`);
  }
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) {
    throw new Error(`${name} has ${width} × ${height} pixels: choose one of at most 64 million.`);
  }
  const image = pixelsOf(bitmap, width, height);
  bitmap.close();
  return image;
}

let scratch = null;

/**
 * @param {CanvasImageSource} source @param {number} width @param {number} height
 * @returns {Image}
 */
export function pixelsOf(source, width, height) {
  scratch ??= document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  if (scratch.canvas.width !== width || scratch.canvas.height !== height) {
    [scratch.canvas.width, scratch.canvas.height] = [width, height];
  }
  scratch.fillStyle = "#fff";
  scratch.fillRect(0, 0, width, height);
  scratch.drawImage(source, 0, 0, width, height);
  const { data } = scratch.getImageData(0, 0, width, height);
  const pixels = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < pixels.length; from += 4, to += 3) {
    pixels[to] = data[from];
    pixels[to + 1] = data[from + 1];
    pixels[to + 2] = data[from + 2];
  }
  return { width, height, pixels };
}

/**
 * Show an image on a canvas of its size.
 * @param {HTMLCanvasElement} canvas @param {Image} image
 */
export function show(canvas, { width, height, pixels }) {
  [canvas.width, canvas.height] = [width, height];
  const data = new ImageData(width, height);
  for (let from = 0, to = 0; from < pixels.length; from += 3, to += 4) {
    data.data[to] = pixels[from];
    data.data[to + 1] = pixels[from + 1];
    data.data[to + 2] = pixels[from + 2];
    data.data[to + 3] = 255;
  }
  canvas.getContext("2d").putImageData(data, 0, 0);
}
