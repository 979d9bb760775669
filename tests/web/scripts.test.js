/** The page's arithmetic against values of Python, which test_scripts.py writes into $FERDIS_VALUES. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { pathToFileURL } from "node:url";

const scripts = pathToFileURL(`${process.env.FERDIS_PAGE}/js/`);
const values = JSON.parse(readFileSync(process.env.FERDIS_VALUES, "utf-8"));
const { SumTable, blur, reduce, resize, rint, sample } = await import(new URL("pixels.js", scripts));
const { similarity, warp } = await import(new URL("align.js", scripts));
const { layoutOf, suppressed, suppressedInside } = await import(new URL("mtcnn.js", scripts));
const { facesOf, onCanvas } = await import(new URL("detection.js", scripts));

const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const image = ({ width, height, pixels }) => ({ width, height, pixels: bytes(pixels) });
const floats = (text) => new Float32Array(new Uint8Array(Buffer.from(text, "base64")).buffer);

function sameImage(found, expected) {
  assert.deepEqual([found.width, found.height], [expected.width, expected.height]);
  assert.deepEqual(Buffer.from(found.pixels), Buffer.from(expected.pixels, "base64"));
}

function near(found, expected, most) {
  assert.equal(found.length, expected.length);
  found.forEach((value, k) => assert.ok(Math.abs(value - expected[k]) <= most, `${k}: ${value}, not ${expected[k]}`));
}

test("rounding is half to even", () => {
  assert.deepEqual([0.5, 1.5, 2.5, -0.5, 2.4999, 2.5001].map(rint).map((x) => x + 0), [0, 2, 2, 0, 2, 3]);
});

for (const { name, given, height, width, expected } of values.resize) {
  test(`resize ${name}`, () => sameImage(resize(image(given), height, width), expected));
}

for (const { name, given, factor, expected } of values.reduce) {
  test(`reduce ${name}`, () => sameImage(reduce(image(given), factor), expected));
}

test("bilinear samples", () => {
  const { given, across, down, expected } = values.sample;
  near([...sample(image(given), floats(across), floats(down))], [...floats(expected)], 0);
});

for (const { given, radius, expected } of values.blur) {
  test(`blur of ${radius}`, () => sameImage(blur(image(given), radius), expected));
}

for (const { name, given, points, size, template, outside, matrix, expected } of values.warp) {
  test(`warp ${name}`, () => {
    const { a, b, x, y } = similarity(points.slice(0, 3), template.map(([u, v]) => [u * size, v * size]));
    near([a, -b, x, b, a, y], matrix.flat(), 1e-9);
    const found = warp(image(given), points, size, template, outside);
    const other = bytes(expected.pixels);
    const apart = found.pixels.reduce((count, value, k) => count + (value !== other[k]), 0);
    assert.ok(found.pixels.every((value, k) => Math.abs(value - other[k]) <= 1), "off by more than a grey level");
    assert.ok(apart <= 0.001 * other.length, `${apart} of ${other.length} values differ`);
  });
}

test("points that coincide are refused", () => {
  assert.throws(() => similarity([[1, 1], [1, 1], [1, 1]], [[0, 0], [1, 0], [0, 1]]), /coincide/);
});

test("averages of rectangles, outside the image too", () => {
  const { given, grey, boxes, side, expected } = values.averages;
  const table = new SumTable(image(given), grey);
  const planes = new Float32Array(boxes.length * 3 * side * side);
  boxes.forEach((box, k) => table.averages(box, side, side, planes, k * 3 * side * side, side, side * side));
  near([...planes], [...floats(expected)], 0);
});

for (const { height, width, min_face, factor, levels, shape, outside } of values.layouts) {
  test(`levels of ${width} x ${height} from ${min_face}`, () => {
    const found = layoutOf(height, width, min_face, factor);
    assert.deepEqual(found.levels, levels);
    assert.deepEqual([found.height, found.width], shape);
    assert.deepEqual(Buffer.from(found.outside), Buffer.from(outside, "base64"));
  });
}

test("overlapping boxes are suppressed, ties in order", () => {
  const found = values.suppressed.boxes.map((line, row) => ({ box: line.slice(0, 4), sure: line[4], row }));
  for (const { overlap, rows } of values.suppressed.kept) {
    assert.deepEqual(suppressed(found, Math.fround(overlap)).map(({ row }) => row), rows);
  }
  assert.deepEqual(suppressedInside(found).map(({ row }) => row), values.suppressed.inside);
});

for (const { given, pass, grey, expected, scale, offset } of values.canvases) {
  test(`canvas of ${given.width} x ${given.height}`, () => {
    const found = onCanvas(image(given), pass, grey);
    sameImage(found.canvas, expected);
    near(found.scale, scale, 0);
    assert.deepEqual(found.offset, offset);
  });
}

/** Networks that see brightness alone, as those of test_scripts.py do. */
function brightness() {
  const mean = (planes, start, length) => {
    return planes.subarray(start, start + length).reduce((sum, value) => sum + value, 0) / length;
  };
  const first = async (sheet, [, , height, width], outside) => {
    assert.equal(outside.length, (height - 2) * (width - 2));
    const [rows, columns] = [height, width].map((side) => Math.floor((side - 1) / 2) - 4);
    const [moves, sure] = [new Float32Array(4 * rows * columns), new Float32Array(2 * rows * columns)];
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        const value = Math.fround((sheet[(2 * y + 5) * width + 2 * x + 5] + 1) / 2);
        sure[rows * columns + y * columns + x] = value;
        for (let k = 0; k < 4; k++) moves[(k * rows + y) * columns + x] = [0.03125, -0.0625, 0.125, 0.0625][k];
      }
    }
    return [moves, sure];
  };
  const later = (points) => async (planes, [count, , side]) => {
    const [moves, sure] = [new Float32Array(4 * count), new Float32Array(2 * count)];
    const shares = [0.25, 0.75, 0.5, 0.25, 0.75, 0.25, 0.25, 0.5, 0.75, 0.75];
    const places = new Float32Array(10 * count).map((_, k) => shares[k % 10]);
    for (let k = 0; k < count; k++) {
      sure[2 * k + 1] = (mean(planes, k * 3 * side * side, side * side) + 1) / 2;
      moves.set([0.03125, 0.0625, -0.03125, 0.0625], 4 * k);
    }
    return points ? [moves, places, sure] : [moves, sure];
  };
  return { first, second: later(false), third: later(true) };
}

for (const { name, given, faces, detector } of values.faces) {
  test(`search with networks of brightness: ${name}`, async () => {
    const found = await facesOf(image(given), brightness(), detector);
    assert.equal(found.length, faces.length);
    found.forEach((face, k) => {
      near(face.box, faces[k].box, 0.011);
      near(face.points.flat(), faces[k].points.flat(), 0.011);
      near([face.probability], [faces[k].probability], 2e-4);
    });
    const [first] = await facesOf(image(given), brightness(), detector, true);
    assert.deepEqual(first, found[0]);
  });
}
