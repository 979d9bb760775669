"""What a system may start from: the networks that the same system has after learning rendered people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file

import ferdis
from ferdis.faces import SEVEN_EXPRESSIONS, Faces
from ferdis.predict import Predictor
from ferdis.preprocess.align import Aligner, record_of
from ferdis.systems.classifier import Classifier
from ferdis.zoo.networks import NARROW_RESNET
from tools.synthetic_checks.cnn import unweighted_recall
from tools.zoo_entries import Entry, Options
from tools.zoo_entries.expression import NEVER
from tools.zoo_entries.photographs import figures_on_photographs, reliability

PEOPLE = {"synthetic": 200, "facekit": 200}  # of each difficulty
DIFFICULTIES = ("normal", "hard")
_SEEDS = {"synthetic": 3040, "facekit": 3060}  # populations that no other training or check draws
_HELD_OUT = 40  # further people of each, to measure on
_LIMITS = [
    "It is a start for training on photographs, not a recogniser: use zoo:expression for that.",
    "Images of other sizes than the system's small() have need another start.",
]
_OF_TRANSFERS = (
    "Its transfers are blurred: mouths follow the reference, brows hardly, and of a photograph a face of the same tone "
    "and hair is left."
)


def resnet(options: Options) -> Entry:
    """The ResNet of ``ResNetClassifier.small()`` and ``IFGAN.small()``."""
    system = ferdis.ResNetClassifier.small(
        classifier="resnet18", classifier_arguments=NARROW_RESNET, small_stem=True, weights=None,
        epochs=1 if options.quick else 12, augmentation="strong", min_steps=0, learning_rate=2e-3, test_flip=False,
    )  # fmt: skip
    about = {"kind": "trunk", "title": "A small ResNet for images of 64 pixels, which knows expressions",
             "fits": 'ResNetClassifier.small() and IFGAN.small() with classifier="resnet18", small_stem=True, '
                     f'classifier_arguments={NARROW_RESNET}, weights="zoo:resnet-small"'}  # fmt: skip
    return _made(options, "resnet-small", system, ("classifier",), about)


def cnn(options: Options) -> Entry:
    """The encoder of ``BaselineCNN.small()``."""
    system = ferdis.BaselineCNN.small(
        encoder="blocks", weights=None, epochs=1 if options.quick else 12, augmentation="strong", min_steps=0,
        test_flip=False,
    )  # fmt: skip
    about = {"kind": "trunk", "title": "REL-GAN's expression encoder, trained as a plain network",
             "fits": 'BaselineCNN.small(encoder="blocks", weights="zoo:cnn-small")'}  # fmt: skip
    return _made(options, "cnn-small", system, ("encoder", "classifier"), about)


def relgan(options: Options) -> Entry:
    """Encoders and decoder of ``RELGAN.small()``, by reenactment."""
    system = ferdis.RELGAN.small(epochs=1 if options.quick else 12, mlp_epochs=6, min_steps=0)
    about = {"kind": "encoders", "title": "REL-GAN's two encoders and its decoder, after reenactment",
             "fits": 'RELGAN.small(weights="zoo:relgan-small")', "limits": [*_LIMITS, _OF_TRANSFERS]}  # fmt: skip
    networks = ("expression_encoder", "identity_encoder", "decoder")
    # Its ground truth is the set's own, so that one set is learned: that of the measured faces.
    sets = ("synthetic",) if options.quick else ("facekit",)
    return _made(options, "relgan-small", system, networks, about, sets)


def _made(
    options: Options,
    name: str,
    system: Classifier,
    networks: Sequence[str],
    about: dict[str, Any],
    sets: Sequence[str] | None = None,
) -> Entry:
    """Fit the system on rendered people, keep its networks, and measure it."""
    sets = sets or (("synthetic",) if options.quick else tuple(PEOPLE))
    faces = rendered(sets, system.image_size, options.quick)
    system.set_params(progress=False, logger=None).fit(faces)
    folder = options.out / f".{name}"
    system.save(folder)
    tensors = load_file(folder / "weights.safetensors")
    kept = {key: part for key, part in tensors.items() if key.startswith(tuple(f"{network}." for network in networks))}
    file = options.out / f"{name}.safetensors"
    save_file({key: part.half() if part.is_floating_point() else part for key, part in kept.items()}, file)
    others = rendered(sets, system.image_size, options.quick, held_out=True)
    figures = {"rendered people who were not trained on": _on(system, others)}
    if not options.quick:
        figures |= figures_on_photographs(Predictor(system, faces="one", device="onnx", name=name))
    for item in folder.iterdir():
        item.unlink()
    folder.rmdir()
    people = f"{len(faces)} images of {len(set(faces.subject))} rendered people ({', '.join(sets)})"
    return Entry([file], {
        "limits": _LIMITS,
        **about,
        "input": f"colour images of {system.image_size} pixels, aligned by ferdis",
        "classes": list(SEVEN_EXPRESSIONS),
        "parameters": sum(part.numel() for part in kept.values() if part.is_floating_point()),
        "trained_on": f"{people}, {system.epochs} epochs; {NEVER.split(',')[0]}",
        "settings": {key: value for key, value in system.describe().items() if key in ("epochs", "batch_size",
                     "learning_rate", "schedule", "augmentation", "image_size", "crop_size", "seed")},
        "figures": figures,
    })  # fmt: skip


def rendered(sets: Sequence[str], size: int, quick: bool, held_out: bool = False) -> Faces:
    """Rendered people as alignment frames them; two images of each expression."""
    parts = []
    for name in sets:
        people = 3 if quick else PEOPLE[name]
        for difficulty in DIFFICULTIES[: 1 if quick else None]:
            parts.append(
                ferdis.load(
                    name, people=people if not held_out else max(3, _HELD_OUT // (10 if quick else 1)), expressions=7,
                    images_per_expression=2, image_size=size, difficulty=difficulty, framing="aligned",
                    seed=_SEEDS[name] + DIFFICULTIES.index(difficulty), first_person=people if held_out else 0,
                )
            )  # fmt: skip
    faces = parts[0] if len(parts) == 1 else Faces.concat(parts)
    # Aligned photographs are framed like this: what the systems record is what Predictor repeats.
    return Faces(faces.images, faces.table, {**faces.attrs, "preprocessing": record_of(Aligner())})


def _on(system: Classifier, faces: Faces) -> dict[str, Any]:
    probabilities = np.asarray(system.predict_proba(faces))
    names, true = np.array(SEVEN_EXPRESSIONS), faces.expression
    predicted = names[probabilities.argmax(1)]
    return {
        "images": len(faces),
        "uar": round(unweighted_recall(true, predicted), 3),
        "recall": {name: round(float((predicted[true == name] == name).mean()), 3) for name in names},
        **reliability(probabilities, names, true),
    }
