"""An embedder of faces that judges identity: people apart, expressions together."""

from __future__ import annotations

from typing import Any

import ferdis
from ferdis.evaluators.judges import IdentityJudge
from ferdis.faces import Faces
from ferdis.metrics.verification import equal_error_rate, pair_cosines
from tools.measure_systems import photographed
from tools.synthetic_checks.real import HALVES, shared_folder
from tools.zoo_entries import Entry, Options

PEOPLE = {"synthetic": 340, "facekit": 340}
_SEEDS = {"synthetic": 5040, "facekit": 5060}  # populations that no other training or check draws
_SIDE, _EPOCHS = 72, 16


def make(options: Options) -> Entry:
    """Train the judge on rendered people as alignment frames them, and measure it on photographs of two per person."""
    parts = [
        ferdis.load(name, people=10 if options.quick else people, expressions=7, images_per_expression=2,
                    image_size=_SIDE, difficulty="normal", framing="aligned", seed=_SEEDS[name])
        for name, people in PEOPLE.items() if name == "synthetic" or not options.quick
    ]  # fmt: skip
    faces = parts[0] if len(parts) == 1 else Faces.concat(parts)
    judge = IdentityJudge(
        epochs=1 if options.quick else _EPOCHS, progress=False, held_out=0.3 if options.quick else 0.15
    )
    judge.fit(faces)
    folder = judge.save(options.out / "identity")
    own = judge.error_
    figures: dict[str, Any] = {
        "rendered people who were not trained on": {
            "headline": f"equal error rate {own['eer']:.1%} of {own['people']} people",
            **{name: round(value, 3) if isinstance(value, float) else value for name, value in own.items()},
        }
    }
    if not options.quick:
        figures |= _on_photographs(judge)
    card = {
        "kind": "embedder",
        "title": "Whose face it is: embeddings of rendered people, whatever their expression",
        "input": f"faces aligned by ferdis, resized to {judge.image_size} pixels: IdentityJudge.load('zoo:identity')",
        "parameters": sum(part.numel() for part in judge.modules_["network"].parameters()),
        "trained_on": f"{len(faces)} images of {len(set(faces.subject))} rendered people ({', '.join(PEOPLE)}); "
        "no photograph was trained on",
        "figures": figures,
        "limits": [
            "It judges faces that a system generated from rendered people; it is no face recogniser of photographs, "
            "see its error there, and is not to be used to identify anybody.",
            "People of other ages, or behind glasses and beards, than the renderers draw were not measured.",
        ],
    }
    return Entry(sorted(folder.iterdir()), card)


def _on_photographs(judge: IdentityJudge) -> dict[str, Any]:
    """Verification of the two photographs of each person of the London set, on the held-out half."""
    if not (shared_folder() / "london" / "faces.csv").exists():
        return {"photographs": {"note": "not measured: $FERDIS_SHARED names no folder of photographs"}}
    faces = photographed("london", HALVES[1], _SIDE, cache=False)
    cosines, same = pair_cosines(judge.embed(faces), faces.subject)
    error, _ = equal_error_rate(cosines, same)
    people = len(set(faces.subject))
    return {
        f"london, {HALVES[1]}": {
            "headline": f"equal error rate {error:.1%} of {people} people, one resting and one smiling image each",
            "eer": round(error, 3),
            "people": people,
            "pairs": len(cosines),
        }
    }
