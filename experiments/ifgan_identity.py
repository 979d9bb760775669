"""IF-GAN's claim, measured on synthetic people: is the generated face free of identity?

python experiments/ifgan_identity.py --seed 1
python experiments/ifgan_identity.py --seed 0 --arguments '{decoder_input: posterior}'

IF-GAN and its baseline are trained on some people. On unseen people, probes (logistic, nearest neighbours, a small
network) predict the person from the face itself, from the baseline's features, from IF-GAN's generated face and from
IF-GAN's features, and a logistic probe predicts the expression. Identity probes are fitted on half of each person's
images and scored on the other half; the expression probe is fitted on some of the people and scored on the others, so
that a representation without any information cannot pass for one that is free of identity.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
import yaml

from ferdis import IFGAN, Faces, ResNetClassifier, load
from ferdis.metrics import expression_probe, identity_probe
from ferdis.metrics.disentanglement import Reader
from ferdis.preprocess.images import resize_batch

PROBE_SIDE = 32  # the probes read images at 32x32 pixels


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Train, probe, print; returns the table."""
    options = arguments(argv)
    ifgan = IFGAN.small(**{"seed": options.seed, **(options.arguments or {})})
    resnet = ResNetClassifier.small(seed=options.seed)
    if options.epochs:
        ifgan.set_params(epochs=options.epochs)
        resnet.set_params(epochs=options.epochs)
    drawn = {"image_size": ifgan.image_size, "difficulty": options.difficulty, "seed": options.seed}
    learned = load("synthetic", people=options.people, images_per_expression=options.images, **drawn)
    unseen = load(
        "synthetic", people=options.test_people, images_per_expression=2, first_person=options.people, **drawn
    )
    ifgan.fit(learned)
    resnet.fit(learned)
    generated = ifgan.average(unseen)
    representations = {
        "the face itself": pixel_rows(unseen.pixels()),
        "baseline's features": resnet.transform(unseen),
        "IF-GAN's generated face": pixel_rows(generated),
        "IF-GAN's features": ifgan.transform(unseen),
    }
    table = pd.DataFrame(
        [{"read from": name, **probes(values, unseen, options.seed)} for name, values in representations.items()]
    )
    print(f"{len(learned)} training faces of {options.people} people, {len(unseen)} of {options.test_people} others")
    print(f"chance: identity {1 / options.test_people:.1%}, expression {1 / len(unseen.classes):.1%}")
    print(f"accuracy: IF-GAN {ifgan.score(unseen):.1%}, baseline {resnet.score(unseen):.1%}")
    print(table.to_string(index=False, float_format="{:.1%}".format))
    print(distances(ifgan, unseen, generated).to_string(index=False, float_format="{:.3f}".format))
    return table


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=int, default=40, help="number of training people")
    parser.add_argument("--images", type=int, default=4, help="images per person and expression")
    parser.add_argument("--test_people", type=int, default=20, help="number of test people, 14 images each")
    parser.add_argument("--difficulty", choices=["easy", "normal", "hard"], default="normal")
    parser.add_argument("--epochs", type=int, help="epochs, instead of the presets'")
    parser.add_argument("--arguments", type=yaml.safe_load, help="of IF-GAN: '{identity_reversal: 1.0}'")
    parser.add_argument("--seed", type=int, default=1, help="seed of people and training; presets were tuned on 0")
    return parser.parse_args(argv)


def pixel_rows(images: np.ndarray) -> np.ndarray:
    """uint8 (n, H, W, 3) as rows of 32x32 pixels, 0..1."""
    floats = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    return resize_batch(floats, PROBE_SIDE).flatten(1).numpy()


def probes(values: np.ndarray, faces: Faces, seed: int) -> dict[str, float]:
    """Accuracy of the identity probes (other images of the same people) and of the expression probe (other people)."""
    readers: dict[str, Reader] = {"logistic": "logistic", "nearest": "nearest", "network": "mlp"}
    named = {
        f"person, {name}": identity_probe(values, faces.subject, reader=reader, seed=seed).accuracy
        for name, reader in readers.items()
    }
    return {**named, "expression": expression_probe(values, faces.expression, faces.subject, seed=seed).accuracy}


def distances(ifgan: IFGAN, faces: Faces, generated: np.ndarray) -> pd.DataFrame:
    """L1 in [-1, 1] to the true class average, of the generated face, the input, and the mean of all averages."""
    start = (ifgan.image_size - ifgan.crop_size) // 2
    crop = slice(start, start + ifgan.crop_size)
    averages = {name: image[crop, crop].astype(float) for name, image in ifgan.averages_.items()}
    truth = np.stack([averages[name] for name in faces.expression])
    rivals = {
        "generated face": generated,
        "the face itself": faces.pixels()[:, crop, crop],
        "mean of the averages, whatever the face": np.mean(list(averages.values()), axis=0)[None],
    }
    return pd.DataFrame(
        [{"image": name, "L1 to true average": np.abs(image - truth).mean() / 127.5} for name, image in rivals.items()]
    )


if __name__ == "__main__":
    main()
