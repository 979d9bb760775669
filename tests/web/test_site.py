"""The folder that is written, where the runtime comes from, and how the page is served."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import tarfile
import urllib.request
from html.parser import HTMLParser
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import numpy as np
import pytest
from PIL import Image

from ferdis import cli, zoo
from ferdis.preprocess.align import PASSES
from ferdis.web import VERSION, command, serving, write_site
from ferdis.web import runtime as runtime_module
from ferdis.web.models import ACTION_UNIT_NAMES
from ferdis.web.site import _PAGE
from tests.web.conftest import onnx_file


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is drawn: that takes seconds, and has a test of its own."""
    drawn = [{"file": "people/1.png", "title": "Drawn person 1, fear", "single": True}]
    monkeypatch.setattr("ferdis.web.site._drawn_people", lambda: (drawn, {"people/1.png": b"png"}))


def record_of(site: Path) -> dict[str, Any]:
    return json.loads((site / "site.json").read_text("utf-8"))


def test_the_folder_holds_all_that_the_page_names(tmp_path: Path, fake_runtime: Path, people) -> None:
    site = write_site(tmp_path / "site", runtime_from=fake_runtime)
    record = record_of(site.folder)
    runtime, models = record["runtime"], record["models"]
    named = [runtime["script"], runtime["loader"], runtime["binary"], *record["detector"]["files"]]
    named += [model["file"] for model in models] + [person["file"] for person in record["people"]]
    assert all((site.folder / name).is_file() for name in named)
    written = [file for file in site.folder.rglob("*") if file.is_file()]
    assert site.size == sum(file.stat().st_size for file in written)
    assert gzip.decompress((site.folder / runtime["binary"]).read_bytes()).startswith(b"/* ort-wasm-simd")
    assert runtime["version"] == "0.0.1" and record["detector"]["passes"] == [search._asdict() for search in PASSES]
    card = zoo.card("expression")
    assert models[0]["classes"] == card["classes"] and models[0]["action_units"] == card["action_units"]
    assert models[0]["caution"].startswith("This model (zoo:expression) learned from rendered people alone: on ")
    assert models[0]["abstaining"][0]["on"].startswith("1198 photographs") and models[0]["size"] == 64
    assert (site.folder / models[0]["file"]).read_bytes() == zoo.path("expression", "onnx").read_bytes()


def test_markup_and_scripts_name_files_and_elements_that_exist(tmp_path: Path, fake_runtime: Path, people) -> None:
    folder = write_site(tmp_path / "site", runtime_from=fake_runtime).folder
    ids, references = set(), []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            given = dict(attrs)
            ids.add(given.get("id"))
            for key in ("for", "aria-labelledby"):
                references.extend([given[key]] if key in given else [])
            path = given.get("src") or (given.get("href") if tag == "link" else None)
            if path and not path.startswith("data:"):
                assert (folder / path).is_file(), path

    Reader().feed((folder / "index.html").read_text("utf-8"))
    for file in (folder / "js").glob("*.js"):
        text = file.read_text("utf-8")
        references += re.findall(r"\belement\(\"([\w-]+)\"\)", text)
        assert text.count("\n") <= 500
        for imported in re.findall(r"^(?:import|\} from)[^;]*?\"(\./[\w.]+)\"", text, re.M):
            assert (file.parent / imported).is_file(), f"{file.name}: {imported}"
        assert not re.findall(r"https?://", text), "nothing is asked of another server"
    assert len(references) > 30 and set(references) <= ids


def test_only_static_files_and_no_runtime_are_packaged() -> None:
    assert {path.suffix for path in _PAGE.rglob("*") if path.is_file()} == {".html", ".css", ".js"}


def test_models_of_ones_own(tmp_path: Path, fake_runtime: Path, people) -> None:
    own = [onnx_file(tmp_path / name / "m.onnx", name) for name in ("predict_proba", "edit", "transfer")]
    site = write_site(tmp_path / "site", own, fake_runtime)
    models = record_of(site.folder)["models"]
    assert [model["method"] for model in models] == ["predict_proba", "edit", "transfer", "predict_proba"]
    assert len({model["file"] for model in models}) == len({model["name"] for model in models}) == 4
    assert models[0]["classes"] == ["bright", "dark"] and models[0]["action_units"] == []
    assert models[1]["action_units"] == list(ACTION_UNIT_NAMES) and models[2]["inputs"] == ["faces", "references"]
    assert models[0]["size"] == 96 and np.shape(models[0]["template"]) == (3, 2)
    assert site.models[0] == "Test (m)" and (site.folder / models[1]["file"]).read_bytes() == own[1].read_bytes()
    write_site(tmp_path / "site", runtime_from=fake_runtime)  # again, without them
    assert not [file for file in (site.folder / "models").iterdir() if file.name.startswith("own-")]


def test_what_a_run_measured_is_told(tmp_path: Path, fake_runtime: Path, people) -> None:
    own = {"accuracy_of_this_model": {"what": "fold 2, on 3 test people", "value": 0.75}}
    path = onnx_file(tmp_path / "m.onnx", "predict_proba", protocol=own)
    site = write_site(tmp_path / "site", [path], fake_runtime)
    assert record_of(site.folder)["models"][0]["caution"] == (
        "Test, float32 weights. Accuracy 75.0% (fold 2, on 3 test people)."
    )


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"preprocessing": {"name": "whole", "image_size": [48, 48], "dataset": "RAF-DB"}}, "cannot be repeated"),
        ({"preprocessing": {"name": None}}, "does not say how its faces were cropped"),
        ({"method": "paint"}, "'paint': the page shows predict_proba, edit"),
    ],
)
def test_models_that_the_page_cannot_show(tmp_path: Path, fake_runtime: Path, people, about, message: str) -> None:
    path = onnx_file(tmp_path / "m.onnx", **{"method": "predict_proba", **about})
    with pytest.raises(ValueError, match=message) as found:
        write_site(tmp_path / "site", [path], fake_runtime)
    assert "--crops" not in str(found.value) and "\n" not in str(found.value)
    assert not (tmp_path / "site").exists()


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path, fake_runtime: Path, people) -> None:
    (tmp_path / "index.html").write_text("mine", "utf-8")
    with pytest.raises(ValueError, match="holds something else"):
        write_site(tmp_path, runtime_from=fake_runtime)
    (tmp_path / "site.json").write_text('{"page_of": "others"}', "utf-8")
    with pytest.raises(ValueError, match="holds something else"):
        write_site(tmp_path, runtime_from=fake_runtime)
    with pytest.raises(ValueError, match="is a file"):
        write_site(tmp_path / "index.html", runtime_from=fake_runtime)
    assert (tmp_path / "index.html").read_text("utf-8") == "mine"


def test_people_are_drawn_and_have_faces(tmp_path: Path) -> None:
    from ferdis.predict import predict
    from ferdis.web.site import _drawn_people

    people, pictures = _drawn_people()
    images = [np.array(Image.open(io.BytesIO(pictures[about["file"]])).convert("RGB")) for about in people]
    assert [image.shape[:2] for image in images] == [(256, 256)] * 7 + [(256, 1024)]
    assert len({about["title"].partition(", ")[2] for about in people if about["single"]}) == 7
    rows = predict(list(images))
    assert rows.groupby("image")["face"].count().tolist() == [1] * 7 + [4]


# ---------------------------------------------------------------- the runtime


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        for name, content in files.items():
            about = tarfile.TarInfo(f"package/dist/{name}")
            about.size = len(content)
            made.addfile(about, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """A registry that has an archive, the cache empty; its requests are counted."""
    names = (runtime_module.SCRIPT, runtime_module.LOADER, runtime_module.BINARY)
    state: dict[str, Any] = {"archive": archive({name: name.encode() for name in names}), "asked": []}
    digest = base64.b64encode(hashlib.sha512(state["archive"]).digest()).decode()

    def answer(address: str, timeout: float) -> io.BytesIO:
        state["asked"].append(address)
        if isinstance(state["archive"], Exception):
            raise state["archive"]
        return io.BytesIO(state["archive"])

    monkeypatch.setattr(runtime_module, "INTEGRITY", f"sha512-{digest}")
    monkeypatch.setattr(urllib.request, "urlopen", answer)
    monkeypatch.setenv("FERDIS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NPM_CONFIG_REGISTRY", raising=False)
    return state


def test_the_runtime_is_fetched_once(registry) -> None:
    first, second = runtime_module.runtime(), runtime_module.runtime()
    assert first == second and gzip.decompress(first.binary) == runtime_module.BINARY.encode()
    assert (first.script, first.loader) == (runtime_module.SCRIPT.encode(), runtime_module.LOADER.encode())
    assert registry["asked"] == [f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"]


def test_another_registry(registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://mirror.example/npm/")
    runtime_module.runtime()
    assert registry["asked"][0].startswith("https://mirror.example/npm/onnxruntime-web/-/")
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "file:///etc/passwd")
    monkeypatch.setenv("FERDIS_CACHE", "/nowhere")
    with pytest.raises(ValueError, match="begins with https"):
        runtime_module.runtime()


def test_an_archive_of_ones_own(registry, tmp_path: Path) -> None:
    file = tmp_path / "runtime.tgz"
    file.write_bytes(registry["archive"])
    assert gzip.decompress(runtime_module.runtime(file).binary) == runtime_module.BINARY.encode()
    assert not registry["asked"]


def test_another_archive_is_not_used(registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry["archive"] = archive({"ort.wasm.min.mjs": b"wrong"})
    with pytest.raises(ValueError, match="SHA-512 differs"):
        runtime_module.runtime()
    assert not list((tmp_path / "cache").rglob("*.mjs"))
    digest = base64.b64encode(hashlib.sha512(registry["archive"]).digest()).decode()
    monkeypatch.setattr(runtime_module, "INTEGRITY", f"sha512-{digest}")
    with pytest.raises(ValueError, match=r"lacks package/dist/ort-wasm-simd-threaded\.mjs"):
        runtime_module.runtime()


@pytest.mark.parametrize(
    "error", [URLError("no route"), HTTPError("a", 404, "Not Found", None, None), TimeoutError("slow")]
)
def test_without_a_network_one_line_says_what_to_do(registry, error: Exception) -> None:
    registry["archive"] = error
    with pytest.raises(FileNotFoundError, match=r"cannot be fetched from .*--runtime") as found:
        runtime_module.runtime()
    assert "\n" not in str(found.value)


def test_a_folder_without_the_runtime(tmp_path: Path, fake_runtime: Path) -> None:
    assert runtime_module.runtime(fake_runtime / "dist").version == "0.0.1"
    with pytest.raises(FileNotFoundError, match="npm pack onnxruntime-web"):
        runtime_module.runtime(tmp_path)


# ---------------------------------------------------------------- serving


def test_the_server_sends_what_threads_need(tmp_path: Path) -> None:
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "main.js").write_text("1", "utf-8")
    (tmp_path / "a.wasm.gz").write_bytes(b"gz")
    with serving(tmp_path, port=0) as address:
        with urllib.request.urlopen(f"{address}js/main.js") as answer:
            headers = answer.headers
        assert headers["Content-Type"] == "text/javascript" and headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert (
            headers["Cross-Origin-Embedder-Policy"] == "require-corp" and "'self'" in headers["Content-Security-Policy"]
        )
        with urllib.request.urlopen(f"{address}a.wasm.gz") as answer:
            assert answer.headers["Content-Encoding"] is None and answer.read() == b"gz"
        host, port = address.removeprefix("http://").rstrip("/").split(":")
        for path in ("/js/", "/../secret", "/%2e%2e/secret"):
            (tmp_path.parent / "secret").write_text("no", "utf-8")
            connection = HTTPConnection(host, int(port))
            connection.request("GET", path)
            assert connection.getresponse().status == 404, path
        with pytest.raises(ValueError, match=rf"port {port} cannot be used"), serving(tmp_path, int(port)):
            pass
    with pytest.raises(ValueError, match="port=70000"), serving(tmp_path, 70000):
        pass


def test_the_policy_of_the_server_is_that_of_the_page() -> None:
    from ferdis.web.server import POLICY

    page = (_PAGE / "index.html").read_text("utf-8")
    [told] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert f"{told}; frame-ancestors 'none'" == POLICY  # which a page cannot say of itself


# ---------------------------------------------------------------- the verb


def test_the_verb_writes_a_page(tmp_path: Path, fake_runtime: Path, people, capsys: pytest.CaptureFixture[str]) -> None:
    models = tmp_path / "models"
    onnx_file(models / "b.onnx", "edit")
    onnx_file(models / "a.onnx", "predict_proba")
    line = ["web", "--out", str(tmp_path / "site"), "--model", str(models), "--runtime", str(fake_runtime)]
    assert cli.main(line) == 0
    told = capsys.readouterr()
    assert "MB: Test (a), Test (b), Seven expressions" in told.err and "file server" in told.out
    assert [model["method"] for model in record_of(tmp_path / "site")["models"]] == [
        "predict_proba",
        "edit",
        "predict_proba",
    ]


def test_a_saved_model_is_exported_for_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferdis.saved_models.load_model", lambda folder: f"system of {folder}")
    monkeypatch.setattr("ferdis.saved_models.evidence_of", lambda folder: "evidence")
    given: list[Any] = []

    def export(system: Any, out: Path, evidence: Any) -> Any:
        given.extend([system, evidence])
        return type("Exported", (), {"path": onnx_file(out, "edit")})

    monkeypatch.setattr("ferdis.export.export", export)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "estimator.json").write_text("{}", "utf-8")
    with command._files_of(str(tmp_path / "mine")) as files:
        assert files[0].is_file() and files[0].name == "mine.onnx"
    assert given == [f"system of {tmp_path / 'mine'}", "evidence"] and not files[0].exists()


@pytest.mark.parametrize("model", ["nowhere", "nowhere.onnx"])
def test_a_model_that_is_not_there(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["web", "--model", model]) == 2
    assert "no such" in capsys.readouterr().err
