"""The recogniser: seven expressions and 17 action units of grey faces, learned from rendered people alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from ferdis import __version__
from ferdis.export.writing import OPSET, finished, to_onnx
from ferdis.faces import AU_COLUMNS, SEVEN_EXPRESSIONS, Faces
from ferdis.onnx_model import FORMAT
from ferdis.predict import Predictor
from ferdis.preprocess.align import LANDMARKS, Aligner, record_of
from ferdis.zoo.networks import DROPOUT, SIDE, STORED, TEMPLATE, WIDTHS, FiveBlockCNN, Recogniser
from tools.synthetic_checks.cnn import unweighted_recall
from tools.synthetic_checks.real import augment_creased, fit
from tools.train_recogniser import kept_crops, mixed_crops
from tools.zoo_entries import PEOPLE, Entry, Options
from tools.zoo_entries.photographs import figures_on_photographs, gaps, reliability

NETWORKS, EPOCHS = 3, 8
REST = 1000  # people of either set who speak or blink and are neutral
VIEWS = ((1, 0, 0), (1, 0.05, 0), (1, -0.05, 0), (1, 0, 0.05), (1, 0, -0.05))  # 15 were no better: docs/zoo.md
_HELD_OUT = {"synthetic": 7040, "facekit": 7060}  # seeds of people that no training draws
_TEMPERATURES = np.geomspace(0.5, 4, 200)
_UNITS_MATTER = 0.5  # an intensity from which a rendered action unit counts as there


def make(options: Options) -> Entry:
    """Train (or take) the networks, calibrate them on other rendered people, write and measure them."""
    recipe: dict[str, str] = {}
    people, epochs, networks = (2, 1, 1) if options.quick else (PEOPLE, EPOCHS, NETWORKS)
    if options.networks:
        models = [read_network(file) for file in sorted(options.networks.glob("*.safetensors"))]
        recipe = read_recipe(options.networks)
        trained_on = recipe.pop("trained_on")
    else:
        crops, faces = mixed_crops(people, *((0,) if options.quick else (people, REST)))
        models = [fit(crops, faces, epochs, seed, augment_creased) for seed in range(networks)]
        trained_on = f"{len(crops)} images of {len(set(faces.subject))} rendered people, {epochs} epochs"
    held_out = held_out_crops(2 if options.quick else 25, not options.quick)
    recogniser = Recogniser(models, VIEWS).eval()
    recogniser.temperature = fitted_temperature(recogniser, *held_out)
    tensors = {
        name: part.half() if part.is_floating_point() else part for name, part in recogniser.state_dict().items()
    }
    weights, graph = options.out / "expression.safetensors", options.out / "expression.onnx"
    save_file({name: part.contiguous() for name, part in tensors.items()}, weights)
    recogniser = Recogniser.of(tensors, len(SEVEN_EXPRESSIONS), len(AU_COLUMNS), views=VIEWS,
                               temperature=recogniser.temperature)  # fmt: skip
    write(recogniser, graph)
    figures = {"rendered people who were not trained on": on_rendered(recogniser, *held_out)}
    if not options.quick:
        figures |= figures_on_photographs(Predictor.load(graph, faces="one"))
    card = {**CARD, **_about(recogniser), **recipe, "trained_on": f"{trained_on}; {NEVER}", "figures": figures}
    return Entry([weights, graph], {**card, "limits": [*CARD["limits"], *gaps(figures)]})


def read_recipe(folder: Path) -> dict[str, str]:
    """``trained_on`` and ``command`` of the networks in a folder."""
    train = f"python -m tools.train_zoo expression --networks DIR/{folder.name}"
    if (folder / "recipe.json").is_file():
        recipe = json.loads((folder / "recipe.json").read_text("utf-8"))
        return {"trained_on": recipe["trained_on"], "command": f"{recipe['command']} && {train}"}
    people = " and ".join(
        f"{count} {name}" for count, name in zip(folder.name.split("+"), ("synthetic", "facekit"), strict=False)
    )
    text = f"{people} people for each of four sorts of image, see tools/train_recogniser.py"
    return {"trained_on": text, "command": f"python -m tools.train_recogniser {folder.name} --out DIR && {train}"}


def read_network(file: Path) -> FiveBlockCNN:
    """A network that ``tools.train_recogniser --out`` wrote."""
    network = FiveBlockCNN(1, len(SEVEN_EXPRESSIONS), len(AU_COLUMNS), widths=WIDTHS, dropout=DROPOUT)
    network.load_state_dict(load_file(file))
    return network.eval()


def held_out_crops(people: int, both: bool) -> tuple[np.ndarray, Faces]:
    """Crops (n, 64, 64, 3) of rendered people that no training draws, and their table."""
    parts = [kept_crops(name, people, seed=seed) for name, seed in _HELD_OUT.items() if both or name == "synthetic"]
    crops = np.repeat(np.concatenate([crops for crops, _ in parts]), 3, axis=3)
    return crops, Faces(crops, pd.concat([table for _, table in parts], ignore_index=True))


def fitted_temperature(recogniser: nn.Module, crops: np.ndarray, faces: Faces) -> float:
    """The temperature that makes the true classes of these faces most likely."""
    logarithm = np.log(answers(recogniser, crops)[0])  # temperature 1
    rows, labels = np.arange(len(crops)), np.searchsorted(np.array(SEVEN_EXPRESSIONS), faces.expression)

    def surprise(temperature: float) -> float:
        scaled = logarithm / temperature
        scaled -= np.log(np.exp(scaled).sum(1, keepdims=True))
        return -float(scaled[rows, labels].mean())

    return round(float(min(_TEMPERATURES, key=surprise)), 3)


@torch.inference_mode()
def answers(recogniser: nn.Module, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and intensities of crops (n, 64, 64, 3)."""
    parts = [recogniser(part) for part in torch.from_numpy(crops).split(64)]
    return torch.cat([one for one, _ in parts]).numpy(), torch.cat([other for _, other in parts]).numpy()


def on_rendered(recogniser: Recogniser, crops: np.ndarray, faces: Faces) -> dict[str, Any]:
    """Recall and calibration, and the correlation of each action unit, on rendered people."""
    probabilities, units = answers(recogniser, crops)
    names, true = np.array(SEVEN_EXPRESSIONS), faces.expression
    predicted = names[probabilities.argmax(1)]
    levels = faces.table[list(AU_COLUMNS)].to_numpy(np.float64)
    shown = [k for k in range(len(AU_COLUMNS)) if (levels[:, k] > _UNITS_MATTER).sum() > 1]
    return {
        "images": len(crops),
        "uar": round(unweighted_recall(true, predicted), 3),
        "recall": {name: round(float((predicted[true == name] == name).mean()), 3) for name in names},
        **reliability(probabilities, names, true),
        "action_unit_correlation": {
            AU_COLUMNS[k]: round(float(np.corrcoef(levels[:, k], units[:, k])[0, 1]), 3) for k in shown
        },
    }


def write(recogniser: Recogniser, file: Path) -> None:
    """The ONNX file, with the metadata of every file that ferdis exports."""
    shapes = ({0: torch.export.Dim("N")},)
    crops = torch.zeros(2, STORED, STORED, 3, dtype=torch.uint8)
    to_onnx(recogniser, (crops,), file, recogniser.inputs, recogniser.outputs, shapes)
    finished(file, metadata(), "ferdis zoo:expression")


def metadata() -> dict[str, Any]:
    """What ``OnnxModel`` and ``Predictor`` read from the file."""
    template = (np.array(TEMPLATE) * SIDE + (STORED - SIDE) / 2) / STORED
    preprocessing = record_of(Aligner("onnx", template=template.round(6)))
    return {
        "ferdis_format": FORMAT,
        "ferdis_version": __version__,
        "system": "zoo:expression",
        "method": "predict_proba",
        "weights": "float32",
        "opset": OPSET,
        "input": f"uint8 (N, {STORED}, {STORED}, 3), RGB, faces cropped as crop_template says",
        "output": "probabilities (N, 7) by classes; action_units (N, 17), intensities 0..5",
        "classes": list(SEVEN_EXPRESSIONS),
        "action_units": list(AU_COLUMNS),
        "image_size": STORED,
        "crop_template": dict(zip(LANDMARKS, template.round(6).tolist(), strict=False)),
        "preprocessing": {**preprocessing, "image_size": [STORED, STORED], "dataset": "zoo"},
        "training_digest": "",
        "protocol": {"what": "none: the zoo's card says what was measured (ferdis models expression)"},
    }


def _about(recogniser: Recogniser) -> dict[str, Any]:
    return {
        "parameters": sum(part.numel() for part in recogniser.networks.parameters()),
        "networks": len(recogniser.networks),
        "views": [list(view) for view in VIEWS],
        "temperature": recogniser.temperature,
    }


NEVER = "no photograph was trained on, and the temperature was fitted on rendered people too"
CARD: dict[str, Any] = {
    "kind": "recogniser",
    "title": "Seven expressions and 17 action units of a face",
    "input": f"a face, grey or colour, of 48 pixels or more; cropped to {STORED} pixels, looked at in grey",
    "classes": list(SEVEN_EXPRESSIONS),
    "action_units": list(AU_COLUMNS),
    "fits": 'small() of IFGAN, ResNetClassifier, RELGAN and BaselineCNN, weights="zoo:expression"',
    "limits": [
        "It names how a face looks, not what a person feels, and no decision about a person should rest on it.",
        "It has seen no real face in training: on photographs it is much worse than on rendered people, see the "
        "figures, and a resting face is often taken for an expression.",
        "Its probabilities are calibrated on rendered people; on photographs they are too sure, by the calibration "
        "error that the figures give.",
        "Contempt is no class. Profiles, babies and covered faces were not measured.",
    ],
}
