"""The page in Chromium: pictures, camera, generators, keyboard, wrong files, requests, and Python's own answers."""

from __future__ import annotations

import base64
import io
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferdis.datasets import load
from ferdis.predict import Predictor
from ferdis.preprocess.align import DRAWN_TEMPLATE, warp
from ferdis.preprocess.cache import default_directory
from ferdis.web import VERSION, serving, write_site
from tests.web.conftest import onnx_file

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not there: pip install 'ferdis[browser]'")

LOADING = 60_000  # milliseconds, on a machine with other work
USERS_CACHE = default_directory()  # before a test has its own
FILM = (640, 480)
ANSWER = "body[data-first-answer], body[data-state=failed]"


def browser_path() -> str | None:
    """Chromium: ``$FERDIS_CHROMIUM``, the system's, or Playwright's own (which is not named)."""
    return os.environ.get("FERDIS_CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )


def kept_runtime() -> Path | None:
    """A user's cache holds the runtime, or ``$FERDIS_RUNTIME`` names it: tests fetch nothing."""
    if "FERDIS_RUNTIME" in os.environ:
        return Path(os.environ["FERDIS_RUNTIME"])
    folder = USERS_CACHE / f"onnxruntime-web-{VERSION}"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: `make web-test` fetches it")
    return folder


@pytest.fixture(scope="module")
def playwright() -> Iterator[Any]:
    with sync_api.sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn person as raw video, 15 frames that move by a pixel each."""
    face = load("synthetic", people=1, expressions=["happiness"], images_per_expression=1, image_size=256, cache=False)
    frame = np.full((FILM[1], FILM[0], 3), 90, np.uint8)
    path = tmp_path_factory.mktemp("film") / "film.y4m"
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{FILM[0]} H{FILM[1]} F30:1 Ip A1:1 C420jpeg\n".encode())
        for step in range(15):
            frame[100:356, 180 + step : 436 + step] = face.pixels()[0]
            y, blue, red = np.moveaxis(np.asarray(Image.fromarray(frame).convert("YCbCr")), 2, 0)
            file.write(b"FRAME\n" + y.tobytes() + blue[::2, ::2].tobytes() + red[::2, ::2].tobytes())
    return path


@pytest.fixture(scope="module")
def browser(playwright: Any, film: Path) -> Iterator[Any]:
    arguments = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
                 f"--use-file-for-fake-video-capture={film}"]  # fmt: skip
    try:
        running = playwright.chromium.launch(executable_path=browser_path(), args=arguments)
    except sync_api.Error as error:
        pytest.skip(f"no Chromium: apt-get install chromium, or playwright install chromium ({str(error)[:80]})")
    yield running
    running.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page with the zoo's recogniser and three small models of one's own."""
    root = tmp_path_factory.mktemp("web")
    own = [onnx_file(root / f"{name}.onnx", name) for name in ("predict_proba", "edit", "transfer")]
    return write_site(root / "site", own, kept_runtime()).folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with serving(folder, port=0) as served:
        yield served


@pytest.fixture
def opened(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Open the page and wait for its first answer; errors of the page fail the test."""
    contexts, wrong = [], []

    def open_page(where: str = "", **options: Any) -> Any:
        contexts.append(browser.new_context(**{"viewport": {"width": 1200, "height": 1000}, **options}))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        page.goto(where or address)
        page.wait_for_selector(ANSWER, timeout=LOADING)
        assert page.get_attribute("body", "data-state") == "ready", page.inner_text("#error")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong


def choose_zoo(page: Any) -> None:
    page.select_option("#model", label="Seven expressions and 17 action units of a face")


def image_file(pixels: np.ndarray, kind: str = "PNG") -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return {"name": f"photo.{kind.lower()}", "mimeType": f"image/{kind.lower()}", "buffer": buffer.getvalue()}


def answered(page: Any, text: str) -> str:
    """The status line, once it holds a text."""
    page.wait_for_selector(f"#status:has-text({text!r})", timeout=LOADING)
    return page.inner_text("#status")


def shown_percentages(page: Any, part: str) -> dict[str, str]:
    rows = page.locator(f"#{part} li").all_inner_texts()
    return {row.split("\n")[0].strip(): row.split("\n")[-1].replace("\xa0", " ") for row in rows}


# ---------------------------------------------------------------- pictures


def test_the_first_answer_needs_no_upload(opened) -> None:
    page = opened()
    choose_zoo(page)
    assert answered(page, "One face: ")
    bars = shown_percentages(page, "probabilities")
    assert list(bars) == ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
    assert 97 <= sum(int(text.removesuffix(" %")) for text in bars.values()) <= 103
    assert page.locator("#units li").count() == 17
    assert "photographs" in page.inner_text("#caution")


def test_an_upload_with_several_faces(opened) -> None:
    faces = load("synthetic", people=3, expressions=["happiness"], images_per_expression=1, image_size=256, cache=False)
    group = np.concatenate(list(faces.pixels()), axis=1)
    table = Predictor.load()([group])
    page = opened()
    choose_zoo(page)
    page.set_input_files("#file", image_file(group))
    text = answered(page, "3 faces.")
    assert len(table) == 3
    for face, (name, row) in enumerate(zip(table["expression"], table.to_dict("records"), strict=True)):
        assert f"Face {face + 1}: {name}, {100 * row[f'p_{name}']:.0f}\xa0%" in text
    buttons = page.get_by_role("group", name="Faces of the picture").get_by_role("button")
    buttons.nth(2).click()
    assert buttons.nth(2).get_attribute("aria-pressed") == "true"
    best = table.iloc[2][f"p_{table['expression'][2]}"]
    assert page.inner_text("#named small") == f"probability {100 * best:.0f}\xa0%"
    left = (table.loc[1, "left"] + table.loc[1, "right"]) / 2 / group.shape[1]
    box = page.locator("#view").bounding_box()
    page.mouse.click(box["x"] + left * box["width"], box["y"] + box["height"] / 2)
    assert buttons.nth(1).get_attribute("aria-pressed") == "true"


def test_dropped_and_pasted_pictures(opened) -> None:
    face = load("synthetic", people=1, expressions=["anger"], images_per_expression=1, image_size=128, cache=False)
    page = opened()
    for kind, event in [("drop", "DragEvent"), ("paste", "ClipboardEvent")]:
        page.set_input_files("#file", image_file(np.full((60, 60, 3), 200, np.uint8)))
        answered(page, "No face found.")
        page.evaluate(
            """([text, kind, event]) => {
              const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
              const data = new DataTransfer();
              data.items.add(new File([bytes], "a.png", { type: "image/png" }));
              const given = event === "DragEvent" ? { dataTransfer: data } : { clipboardData: data };
              document.dispatchEvent(new window[event](kind, { ...given, cancelable: true }));
            }""",
            [base64.b64encode(image_file(face.pixels()[0])["buffer"]).decode(), kind, event],
        )
        answered(page, "One face: ")


def test_wrong_files_are_told_and_the_page_goes_on(opened) -> None:
    page = opened()
    page.set_input_files("#file", {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"})
    page.wait_for_selector("#error:visible")
    assert page.inner_text("#error") == (
        "notes.txt is no picture that this browser reads: choose a JPEG, PNG, WebP, GIF or BMP file."
    )
    page.set_input_files("#file", {"name": "cut.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n"})
    page.wait_for_selector("#error:has-text('cut.png')")
    page.set_input_files("#file", image_file(np.full((40, 40, 3), 120, np.uint8)))
    answered(page, "No face found.")
    assert not page.is_visible("#error") and page.inner_text("#named") == "No face found"


def test_the_threshold(opened) -> None:
    page = opened()
    choose_zoo(page)
    answered(page, "One face: ")
    page.get_by_role("button", name="Drawn person 2").click()
    answered(page, "One face: ")
    page.locator("#threshold").fill("95")
    assert page.inner_text("#threshold-value") == "95\xa0%"
    best = max(float(text.removesuffix(" %")) for text in shown_percentages(page, "probabilities").values())
    assert (page.inner_text("#named").startswith("Not sure enough")) == (best < 95)
    assert "of their names were right" in page.inner_text("#abstaining")


# ---------------------------------------------------------------- the camera


@pytest.mark.parametrize("threads", [1, 2])
def test_a_film_as_camera(opened, address: str, threads: int) -> None:
    page = opened(f"{address}?threads={threads}")
    choose_zoo(page)
    page.get_by_role("button", name="Use the camera").click()
    text = answered(page, "frames per second")
    assert "One face: happiness" in text
    page.wait_for_timeout(2500)
    first, rate = (float(page.get_attribute("body", f"data-{what}")) for what in ("first-answer", "rate"))
    print(f"\n{threads} threads: first answer after {first / 1000:.1f} s, camera {rate:.1f} frames per second")
    assert rate > 0.5  # docs/web.md has what was measured on a free machine
    assert page.locator("#view").evaluate("canvas => [canvas.width, canvas.height]") == list(FILM)
    page.get_by_role("button", name="Stop the camera").click()
    answered(page, "The camera is off.")


# ---------------------------------------------------------------- generators of one's own


def drawn_pixels(page: Any, name: str) -> np.ndarray:
    """What a canvas shows, (H, W, 3)."""
    url = page.locator(f"#{name}").evaluate("canvas => canvas.toDataURL('image/png')")
    return np.array(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")).astype(int)


def test_sliders(opened) -> None:
    page = opened()
    page.wait_for_selector("body[data-strip]", timeout=LOADING)
    sliders = page.get_by_role("group", name="Action units, 0 to 5").get_by_role("slider")
    assert sliders.count() == 17
    read = [float(slider.input_value()) for slider in sliders.all()]
    assert read[8] > 1  # AU12 of the first drawn person, who smiles
    page.get_by_role("button", name="All at rest").click()
    page.wait_for_selector("#drawn-status:has-text('Drawn in')")
    page.wait_for_timeout(600)
    source = drawn_pixels(page, "source")
    assert np.abs(drawn_pixels(page, "drawn") - source).max() <= 1
    before = int(page.get_attribute("body", "data-strip"))
    sliders.nth(8).focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert sliders.nth(8).input_value() == "2"
    page.wait_for_timeout(800)
    assert int(page.get_attribute("body", "data-strip")) > before
    expected = np.clip(source + 0.2 * 255, 0, 255)
    assert np.abs(drawn_pixels(page, "drawn") - expected).max() <= 1
    assert page.locator("#strip li").count() == 7
    page.get_by_role("button", name="As read from the face").click()
    assert [float(slider.input_value()) for slider in sliders.all()] == read


def test_transfer(opened) -> None:
    page = opened()
    page.wait_for_selector("body[data-strip]", timeout=LOADING)
    page.select_option("#generator", label="Test (transfer)")
    page.locator("#references").get_by_role("button", name="Drawn person 3").click()
    page.wait_for_selector("#strip li:nth-child(7):has-text('fear')", timeout=LOADING)
    mean = (drawn_pixels(page, "source") + drawn_pixels(page, "reference")) / 2
    assert np.abs(drawn_pixels(page, "drawn") - mean).max() <= 1
    before = drawn_pixels(page, "reference")
    page.set_input_files("#reference-file", image_file(np.full((50, 50, 3), 120, np.uint8)))
    page.wait_for_selector("#drawn-status:has-text('No face found in photo.png')", timeout=LOADING)
    assert (drawn_pixels(page, "reference") == before).all()


DRAW = """async ([model, images, units]) => {
  const { draw } = await import("/js/engine.js");
  const site = await (await fetch("/site.json")).json();
  const chosen = site.models.find(({ method }) => method === model);
  const [width, height] = images[0];
  const crops = images.map(([, , text]) => (
    { width, height, pixels: Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)) }));
  const drawn = await draw(chosen, crops, { units, references: [...crops.slice(-1), ...crops.slice(0, -1)] });
  return drawn.map(({ width, height, pixels }) => [height, width, ...pixels]);
}"""


@pytest.mark.slow
def test_generators_that_were_fitted_draw_as_in_python(opened, tmp_path: Path) -> None:
    from ferdis.export import export
    from ferdis.export.writing import finished
    from ferdis.onnx_model import OnnxModel
    from tests.systems import test_decgan, test_eggan

    made = {}
    for tests in (test_eggan, test_decgan):
        data = tests.faces()
        written = export(tests.tiny().fit(data), tmp_path / f"{tests.__name__}.onnx", training=data)
        where = {"name": "drawn", "image_size": [48, 48], "params": {"template": DRAWN_TEMPLATE.tolist()}}
        finished(written.path, {**written.about, "preprocessing": where})
        made[written.about["method"]] = OnnxModel(written.path)
    site = write_site(tmp_path / "site", [model.path for model in made.values()], kept_runtime())
    faces = load(
        "synthetic", people=1, expressions=["fear", "anger"], images_per_expression=2, image_size=48, cache=False
    )
    crops, units = faces.pixels(), np.random.default_rng(0).uniform(0, 5, (4, 17)).astype(np.float32)
    given = [[48, 48, base64.b64encode(crop.tobytes()).decode()] for crop in crops]
    with serving(site.folder, port=0) as address:
        page = opened(address)
        for method, model in made.items():
            inputs = {"faces": crops, "au": units, "references": np.roll(crops, 1, axis=0)}
            expected = 255 * model(**{name: inputs[name] for name in model.inputs})
            answer = page.evaluate(DRAW, [method, given, units.tolist()])
            found = np.array([np.reshape(image[2:], (*image[:2], 3)) for image in answer])
            assert np.abs(found - expected).max() <= 0.5 + 0.25, method


# ---------------------------------------------------------------- keyboard, screen reader, sizes


def test_the_keyboard_reaches_everything(opened) -> None:
    page = opened()
    reached = []
    for _ in range(80):
        page.keyboard.press("Tab")
        name = page.evaluate("() => document.activeElement.id || document.activeElement.textContent || "
                             "document.activeElement.querySelector('img')?.alt || ''")  # fmt: skip
        if name and name in reached:
            break
        reached.append(name)
    wanted = [*page.locator("button:visible, input:visible, select:visible").all()]
    assert len(set(reached) - {""}) >= len(wanted) - 1
    assert reached.index("file") < reached.index("camera") < reached.index("threshold")
    page.locator("#people button").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#people li:nth-child(2) button[aria-pressed=true]")


def test_everything_has_a_name_for_a_screen_reader(opened) -> None:
    page = opened()
    choose_zoo(page)
    answered(page, "One face: ")
    for role in ("button", "slider", "combobox", "img"):
        for item in page.get_by_role(role).all():
            named = item.evaluate(
                "e => e.getAttribute('aria-label') || e.alt || e.textContent || [...(e.labels ?? [])].map((l) => "
                "l.textContent).join(' ') || e.querySelector('img')?.alt || ''"
            )
            assert named.strip(), item
    assert page.get_by_role("status").count() >= 1 and page.locator("main h2").count() >= 3
    assert page.get_attribute("html", "lang") == "en"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_without_scrolling_sideways(opened, scheme: str) -> None:
    page = opened(viewport={"width": 360, "height": 740}, color_scheme=scheme, device_scale_factor=2)
    wide, inner = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= inner
    colour = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert (colour == "rgb(255, 255, 255)") == (scheme == "light")
    for button in page.locator("button:visible").all():
        assert button.bounding_box()["height"] >= 34


# ---------------------------------------------------------------- requests


def test_nothing_is_requested_after_loading_and_it_works_offline(opened) -> None:
    page = opened()
    page.wait_for_selector("body[data-strip]", timeout=LOADING)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.context.set_offline(True)
    choose_zoo(page)
    page.get_by_role("button", name="4 drawn people").click()
    answered(page, "4 faces.")
    face = load("synthetic", people=1, expressions=["fear"], images_per_expression=1, image_size=128, cache=False)
    page.set_input_files("#file", image_file(face.pixels()[0], "JPEG"))
    answered(page, "One face: ")
    page.select_option("#generator", label="Test (transfer)")
    page.wait_for_selector("#strip li:nth-child(7)", timeout=LOADING)
    page.get_by_role("button", name="Use the camera").click()
    answered(page, "frames per second")
    assert not [url for url in asked if not url.startswith(("blob:", "data:"))]


def test_a_plain_file_server_is_enough(opened, folder: Path) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder.parent)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        page = opened(f"http://127.0.0.1:{server.server_address[1]}/site/")  # below a folder, without headers
        assert page.get_attribute("body", "data-threads") == "1"
        assert "One face" in page.inner_text("#status")
    finally:
        server.shutdown()
        server.server_close()


# ---------------------------------------------------------------- the same answers as Python's

ASK = """async ([images, points, model]) => {
  const { look, classify, crop } = await import("/js/engine.js");
  const site = await (await fetch("/site.json")).json();
  const chosen = site.models.find(({ name }) => name === model);
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const given = images.map(([width, height, text]) => ({ width, height, pixels: bytes(text) }));
  if (!points) return Promise.all(given.map((image) => look(image, chosen)));
  const crops = await Promise.all(given.map((image, k) => crop(image, points[k], chosen)));
  return (await classify(crops, chosen)).map((answer, k) => ({ ...answer, crop: [...crops[k].pixels] }));
}"""


def asked(page: Any, images: list[np.ndarray], points: np.ndarray | None) -> list[Any]:
    given = [[image.shape[1], image.shape[0], base64.b64encode(image.tobytes()).decode()] for image in images]
    return page.evaluate(ASK, [given, None if points is None else points.tolist(), "expression"])


@pytest.fixture(scope="module")
def rendered() -> list[np.ndarray]:
    """100 faces of 15 people."""
    faces = load("synthetic", people=15, images_per_expression=1, image_size=128, seed=5, cache=False)
    return list(faces.pixels()[:100])


def test_probabilities_of_100_rendered_faces_are_pythons(opened, rendered) -> None:
    predictor = Predictor.load(action_units=True)
    aligner: Any = predictor.preprocessor
    points = np.repeat(DRAWN_TEMPLATE[None] * 128, len(rendered), 0)
    crops = np.stack(
        [
            warp(image, place, 64, aligner.template, aligner.outside)
            for image, place in zip(rendered, points, strict=True)
        ]
    )
    expected, units = predictor._answers(crops)
    found = asked(opened(), rendered, points)
    apart = np.abs(np.array([answer["crop"] for answer in found]).reshape(crops.shape).astype(int) - crops)
    assert apart.max() <= 1 and (apart > 0).mean() < 1e-3
    gap = np.abs(np.array([answer["probabilities"] for answer in found]) - expected).max()
    gap_of_units = np.abs(np.array([answer["units"] for answer in found]) - units).max()
    print(f"probabilities differ by {gap:.2g} at most, action units by {gap_of_units:.2g}; "
          f"{(apart > 0).sum()} of {apart.size} values of the crops by a grey level")  # fmt: skip
    assert gap < 1e-3 and gap_of_units < 5e-3


def test_faces_of_whole_pictures_are_pythons(opened, rendered) -> None:
    some = [*rendered[::10], np.concatenate([np.concatenate(rendered[k : k + 4], 1) for k in (0, 4, 8)])]
    table = Predictor.load()(some)
    found = asked(opened(), some, None)
    assert [len(faces) for faces in found] == table.groupby("image", sort=False)["face"].count().tolist()
    faces = [face for image in found for face in image]
    columns = [f"p_{name}" for name in Predictor.load().classes]
    boxes = np.abs(np.array([face["box"] for face in faces]) - table[["left", "top", "right", "bottom"]]).to_numpy()
    gap = np.abs(np.array([face["probabilities"] for face in faces]) - table[columns].to_numpy()).max(1)
    print(f"{len(faces)} faces: boxes differ by {boxes.max():.2g} pixels, probabilities by {gap.max():.2g}, "
          f"{np.median(gap):.2g} in the middle")  # fmt: skip
    assert boxes.max() <= 0.1 and gap.max() < 1e-2 and np.median(gap) < 1e-3
