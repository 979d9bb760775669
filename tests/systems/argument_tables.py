"""The tables of ``test_arguments_wiring.py``: what each constructor argument changes, and its default.

A name of what is changed is that of :class:`tests.wiring.Watch`: ``stage.phase.weight.term`` and the like, with ``*``;
what begins with ``?`` may change, as the statistics of batch norm do with other faces, and need not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ferdis.faces import Faces
from tests.wiring import coded

CHANGED = object()  # in the place of a value: it is another one than before
EXTRA: Faces = coded(12, first=24)


@dataclass(frozen=True)
class Argument:
    """Another value of an argument, and all that it changes; or the error that it gives."""

    value: Any
    changes: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)  # further arguments, before and after


def some(*patterns: str) -> dict[str, Any]:
    """These change, to whatever."""
    return dict.fromkeys(patterns, CHANGED)


def rates(first: float, *factors: float, phases: tuple[str, ...]) -> dict[str, Any]:
    """Learning rates of the epochs, for each of the phases."""
    return {f"{phase}.rates": [first * factor for factor in factors] for phase in phases}


def weight(term: str) -> Argument:
    """A loss weight of 3 multiplies one term."""
    return Argument(3.0, {f"{term.rpartition('.')[0]}.weight.{term.rpartition('.')[2]}": [3.0, 3.0]})


TRAINER = {  # what goes to the trainer as it is
    name: Argument(value, {f"trainer.{name}": value})
    for name, value in {
        "devices": 2, "accelerator": "auto", "precision": "bf16-mixed", "logger": "csv", "progress": True,
        "gradient_clip": 0.5,
    }.items()
}  # fmt: skip


def steps(stage: str, phases: tuple[str, ...], start: float, six: tuple[float, ...], **other: int) -> dict[str, Any]:
    """Arguments of how long a stage (and the ``other`` ones, with their epochs) trains, how fast, and on what."""
    stages = (stage, *other)
    longer = {f"{name}.epochs": epochs for name, epochs in other.items()}
    drawn = [f"{name}.{part}.*" for name in stages for part in ("drawn", "prepared")]
    new = some(*drawn, *(f"{name}.*.term.*" for name in stages))
    number = {f"{name}.rows": 8 for name in stages} | {f"{name}.steps": 3 for name in stages}
    return {
        "epochs": Argument(6, {f"{stage}.epochs": 6, **rates(start, *six, phases=phases)}),
        "min_steps": Argument(20, {f"{stage}.epochs": 10, **longer, **some("*.rates")}),
        "steps_per_image": Argument(
            0.5, {f"{stage}.epochs": 6, **some(*longer, "*.rates")}, given={"min_steps": 20}
        ),  # 12 steps for 24 faces
        "batch_size": Argument(8, {**new, **number, **some("?used")}),
        "seed": Argument(5, {**new, **some(*(f"{name}.initial" for name in stages), "used"), "trainer.seed": 5}),
    }


def decays(start: float, by: float, phases: tuple[str, ...]) -> dict[str, Any]:
    """Of a classifier, whose rate is ``start`` and falls by the factor ``by`` every two of four epochs."""
    return {
        "learning_rate": Argument(0.03, rates(0.03, 1, 1, by, by, phases=phases)),
        "decay": Argument(0.3, rates(start, 1, 1, 0.3, 0.3, phases=phases)),
        "schedule": Argument("one-cycle", rates(start, 0.5, 1, 0.75, 0.25, phases=phases)),
        "decay_epochs": Argument(1, rates(start, 1, by, by**2, by**3, phases=phases)),
    }


def betas(*phases: str) -> Argument:
    return Argument((0.3, 0.7), {f"{phase}.betas": (0.3, 0.7) for phase in phases})


def moved_too(entries: dict[str, Any], pattern: str, *names: str) -> dict[str, Any]:
    """The entries, of which those named change the ``pattern`` besides."""
    wider = {name: Argument(entries[name].value, {**entries[name].changes, **some(pattern)}) for name in names}
    return {**entries, **wider}


def starts(stage: str) -> dict[str, Argument]:
    """Of a classifier that learns other people first, and starts from the weights that it then has."""
    first = f"pretraining {stage}"
    again = some(f"{first}.*.rates", f"?{first}.*", f"?{stage}.*", "?used")
    return {
        "pretrain": Argument(EXTRA, some(f"{first}.*", f"?{stage}.*", "?used")),
        "pretrain_epochs": Argument(
            3, {f"{first}.epochs": 3, **again}, given={"pretrain": EXTRA, "pretrain_epochs": 5}
        ),
    }


# ------------------------------------------------------------------------------------- IF-GAN and its baseline

_BOTH = ("ifgan.discriminator", "ifgan.joint")
_TERMS = some("ifgan.*.term.*", "ifgan.joint.moved")
_NEW = {**_TERMS, **some("ifgan.prepared.*", "used")}
_GENERATOR = {**_NEW, **some("ifgan.initial", "shapes.Generator")}
_CLASSIFIER = some("ifgan.initial", "ifgan.joint.term.[ais]*", "ifgan.joint.moved", "used")

IFGAN_ARGUMENTS = {
    **TRAINER,
    **moved_too(steps("ifgan", _BOTH, 0.002, (1, 1, 0.9, 0.9, 0.81, 0.81)), "ifgan.joint.moved", "batch_size", "seed"),
    **decays(0.002, 0.9, _BOTH),
    "classifier": Argument("resnet18d", {**_CLASSIFIER, **some("shapes.ImageClassifier")}),
    "classifier_arguments": Argument({"channels": (8, 16, 16, 24)}, {**_CLASSIFIER, **some("shapes.ImageClassifier")}),
    "weights": Argument("nowhere.safetensors", error="nowhere.safetensors"),
    "classifier_input": Argument("pair", {**_CLASSIFIER, **some("shapes.ImageClassifier")}),
    "small_stem": Argument(True, {**_CLASSIFIER, **some("shapes.ImageClassifier")}),
    "attention": Argument(False, _GENERATOR),
    "attention_start": Argument(0.5, {**_NEW, "?ifgan.initial": CHANGED}),
    "skips": Argument(False, _GENERATOR),
    "decoder_input": Argument(
        "posterior", {**_GENERATOR, **some("shapes.*")}, given={"skips": False, "names_weight": 2.0}
    ),
    "identity_reversal": Argument(
        3.0,
        some(
            "ifgan.modules",
            "ifgan.initial",
            "ifgan.drawn.person",
            "ifgan.prepared.person",
            "ifgan.joint.updates",
            "ifgan.joint.weight.person",
            "ifgan.joint.term.person*",
            "shapes.PersonProbe",
        ),
    ),
    "generator_encoder": Argument("pooled", _GENERATOR),
    "classifier_trains_generator": Argument(False, {}),
    "names_weight": Argument(3.0, {**_NEW, **some("ifgan.initial", "shapes.Generator", "ifgan.joint.weight.names")}),
    "generator_norm": Argument("batch", {**_NEW, **some("?ifgan.initial", "?shapes.Generator")}),
    "generator_channels": Argument((8, 16, 24), _GENERATOR),
    "discriminator_channels": Argument(4, {**_NEW, **some("ifgan.initial", "shapes.PatchDiscriminator")}),
    "cgan_weight": weight("ifgan.joint.cgan"),
    "l1_weight": weight("ifgan.joint.l1"),
    "softmax_weight": weight("ifgan.joint.softmax"),
    "island_weight": weight("ifgan.joint.island"),
    "island_alpha": Argument(0.5, some("ifgan.joint.term.island", "ifgan.joint.moved")),
    "island_reduction": Argument("sum", some("ifgan.joint.term.island")),
    "average_from": Argument("all", {**_TERMS, **some("ifgan.prepared.average", "used")}, given={"extra_train": EXTRA}),
    "average_view": Argument("centre", {**_TERMS, **some("ifgan.prepared.average", "?used")}),
    "max_degrees": Argument(20.0, _NEW),
    "augmentation": Argument("strong", _NEW),
    **starts("ifgan"),
    "betas": betas(*_BOTH),
    "weight_decay": Argument(0.5, {f"{phase}.weight_decay": 0.5 for phase in _BOTH}),
    "image_size": Argument(40, {**_NEW, **some("ifgan.drawn.*")}),
    "crop_size": Argument(24, _NEW),
    "extra_train": Argument(EXTRA, {**_NEW, **some("ifgan.drawn.*"), "ifgan.steps": 3}),
    "class_weight": Argument({"fear": 3.0}, some("ifgan.joint.term.softmax")),
    "sampler": Argument("balanced", {**_NEW, **some("ifgan.drawn.*")}),
    "test_flip": Argument(True, some("used")),
}

_ONE = ("baseline.classifier",)
_SEEN = some("baseline.*.term.*", "baseline.classifier.moved", "baseline.prepared.*", "used")
_NETWORK = some("baseline.initial", "baseline.*.term.*", "baseline.classifier.moved", "shapes.ImageClassifier", "used")

RESNET_ARGUMENTS = {
    **TRAINER,
    **moved_too(
        steps("baseline", _ONE, 0.002, (1, 1, 0.9, 0.9, 0.81, 0.81)), "baseline.classifier.moved", "batch_size", "seed"
    ),
    **decays(0.002, 0.9, _ONE),
    "classifier": Argument("resnet18d", _NETWORK),
    "classifier_arguments": Argument({"channels": (8, 16, 16, 24)}, _NETWORK),
    "weights": Argument("nowhere.safetensors", error="nowhere.safetensors"),
    "small_stem": Argument(True, _NETWORK),
    "softmax_weight": weight("baseline.classifier.softmax"),
    "island_weight": weight("baseline.classifier.island"),
    "island_alpha": Argument(0.5, some("baseline.classifier.term.island", "baseline.classifier.moved")),
    "island_reduction": Argument("sum", some("baseline.classifier.term.island")),
    "max_degrees": Argument(20.0, _SEEN),
    "augment": Argument(False, _SEEN),
    "augmentation": Argument("strong", _SEEN),
    **starts("baseline"),
    "betas": betas(*_ONE),
    "weight_decay": Argument(0.5, {"baseline.classifier.weight_decay": 0.5}),
    "image_size": Argument(40, {**_SEEN, **some("baseline.drawn.*")}),
    "crop_size": Argument(24, _SEEN),
    "extra_train": Argument(EXTRA, {**_SEEN, **some("baseline.drawn.*"), "baseline.steps": 3}),
    "class_weight": Argument({"fear": 3.0}, some("baseline.classifier.term.softmax")),
    "sampler": Argument("balanced", {**_SEEN, **some("baseline.drawn.*")}),
    "test_flip": Argument(True, some("used")),
}

# ------------------------------------------------------------------------------------ REL-GAN and its baseline

_GAN = ("reenactment.discriminator", "reenactment.generator")
_DRAWN = some("reenactment.drawn.*", "reenactment.prepared.*", "reenactment.*.term.*",
              "classifier.drawn.*", "classifier.prepared.*", "?classifier.*.term.*", "?used")  # fmt: skip
_NETS = some("reenactment.initial", "reenactment.prepared.[cg]*", "reenactment.*.term.*", "classifier.initial",
             "classifier.prepared.code", "classifier.*.term.*", "used")  # fmt: skip

RELGAN_ARGUMENTS = {
    **TRAINER,
    **steps("reenactment", _GAN, 0.001, (1, 1, 0.85, 0.85, 0.7225, 0.7225), classifier=10),
    **decays(0.001, 0.85, _GAN),
    "encoder_channels": Argument((8, 8, 16, 16, 24), {**_NETS, **some("shapes.Encoder")}),
    "decoder_channels": Argument((16, 16, 8, 8, 12), {**_NETS, **some("shapes.Decoder")}),
    "discriminator_channels": Argument(
        (4, 8, 8, 12), some("reenactment.initial", "reenactment.*.term.*", "shapes.Discriminator")
    ),
    "hidden": Argument(64, some("classifier.initial", "classifier.*.term.*", "shapes.Sequential", "used")),
    "dropout": Argument(0.9, some("classifier.classifier.term.*")),
    "adversarial_weight": weight("reenactment.generator.adversarial"),
    "pixel_weight": Argument(3.0, {"reenactment.generator.weight.pixel": [3.0, 90.0]}),
    "pixel_reduction": Argument("batch_mean", some("reenactment.generator.term.pixel")),
    "self_transfers": Argument(1.0, some("reenactment.drawn.*", "reenactment.prepared.*", "reenactment.*.term.*",
                                         "?classifier.prepared.code", "?classifier.*.term.*", "?used")),
    "cycle_weight": Argument(3.0, {"reenactment.generator.weight.cycle": [3.0, 3.0],
                                   **some("reenactment.generator.term.cycle")}),
    "names_weight": Argument(3.0, {"reenactment.generator.weight.names": [3.0, 3.0],
                                   **some("reenactment.generator.term.names", "reenactment.modules",
                                          "reenactment.initial", "reenactment.generator.updates", "shapes.Linear")}),
    "encoder": Argument("recogniser", {**_NETS, **some("shapes.Encoder", "shapes.RecogniserEncoder")}),
    "pixel_growth": Argument(2.0, {"reenactment.generator.weight.pixel": [20.0, 40.0]}),
    "expression_weight": weight("reenactment.generator.expression"),
    "identity_weight": weight("reenactment.generator.identity"),
    "ground_truth": Argument("off", some("reenactment.drawn.*", "reenactment.prepared.*", "reenactment.*.term.*",
                                         "?classifier.prepared.code", "?classifier.*.term.*", "?used")),
    "truths": Argument(0, error="truths=0"),
    "weights": Argument("zoo:none", error="the zoo has no 'none'"),
    "near_optimal": Argument(0.8, {"reenactment.discriminator.every": [1, 4, 4]}),
    "generator_steps": Argument(3, {"reenactment.discriminator.every": [1, 1, 3]}),
    "augmentation": Argument("strong", some("reenactment.prepared.[cgs]*", "reenactment.*.term.*",
                                            "classifier.prepared.code", "?classifier.*.term.*", "?used")),
    "pretrain": Argument(EXTRA, {**some("pretraining.*", *(f"?{name}" for name in _NETS)),
                                 "reenactment.generator.weight.pixel": [600.0, 600.0]}),
    "pretrain_epochs": Argument(3, {"pretraining.epochs": 3, **some("pretraining.*.rates")},
                                given={"pretrain": EXTRA, "pretrain_epochs": 5}),
    "mlp_epochs": Argument(6, {"classifier.epochs": 6, **rates(0.002, *[1] * 6, phases=("classifier.classifier",))}),
    "mlp_views": Argument("all", {**some("classifier.drawn.*", "classifier.prepared.*", "classifier.*.term.*"),
                                  "classifier.steps": 100}),
    "finetune_encoder": Argument(True, {
        **some("classifier.modules", "classifier.initial", "classifier.prepared.code", "classifier.*.term.*",
               "classifier.classifier.updates", "used"),
        **rates(0.002, 1, 1, 0.85, 0.85, phases=("classifier.classifier",)),
    }),
    "mlp_learning_rate": Argument(0.03, rates(0.03, 1, 1, 1, 1, phases=("classifier.classifier",))),
    "betas": betas(*_GAN, "classifier.classifier"),
    "views": Argument("all", {
        **some("reenactment.drawn.*", "reenactment.prepared.*", "reenactment.*.term.*", "?classifier.prepared.code",
               "?classifier.*.term.*", "?used"), "reenactment.steps": 100,
    }),
    "test_views": Argument("all", some("used")),
    "image_size": Argument(40, {**_DRAWN, **some("used")}),
    "crop_size": Argument(64, {**_NETS, **some("*.prepared.*", "shapes.*")}, given={"image_size": 64}),
    "extra_train": Argument(EXTRA, {**_DRAWN, "*.steps": 3}),
    "class_weight": Argument({"fear": 3.0}, some("classifier.classifier.term.softmax")),
    "sampler": Argument("balanced", _DRAWN),
    "test_flip": Argument(True, some("used")),
}  # fmt: skip

_CNN = ("cnn.classifier",)
_FACES = some("cnn.drawn.*", "cnn.prepared.*", "cnn.*.term.*", "?used")

CNN_ARGUMENTS = {
    **TRAINER,
    **steps("cnn", _CNN, 0.001, (1, 1, 0.85, 0.85, 0.7225, 0.7225)),
    **decays(0.001, 0.85, _CNN),
    "augmentation": Argument("strong", some("cnn.prepared.*", "cnn.*.term.*", "?used")),
    **starts("cnn"),
    "encoder_channels": Argument((8, 8, 16, 16, 24), some("cnn.initial", "cnn.*.term.*", "shapes.Encoder", "used")),
    "encoder": Argument(
        "recogniser", some("cnn.initial", "cnn.*.term.*", "shapes.Encoder", "shapes.RecogniserEncoder", "used")
    ),
    "betas": betas(*_CNN),
    "views": Argument("all", {**_FACES, "cnn.steps": 100}),
    "test_views": Argument("all", some("used")),
    "weights": Argument("zoo:none", error="the zoo has no 'none'"),
    "image_size": Argument(40, {**_FACES, **some("used")}),
    "crop_size": Argument(64, some("cnn.*", "shapes.Encoder", "used"), given={"image_size": 64}),
    "extra_train": Argument(EXTRA, {**_FACES, "cnn.steps": 3}),
    "class_weight": Argument({"fear": 3.0}, some("cnn.classifier.term.softmax")),
    "sampler": Argument("balanced", _FACES),
    "test_flip": Argument(True, some("used")),
}

# ------------------------------------------------------------------------------------------------------- EGGAN

_MAIN = ("eggan.latent", "eggan.critic", "eggan.generator")
_HALF = (1, 1, 1, 0.5)  # the rate falls to 0 over the second half
_EDITOR = some("eggan.initial", "eggan.prepared.*", "eggan.*.term.*", "identity.initial", "identity.*.term.*", "used")
_JUDGES = some("eggan.initial", "eggan.*.term.*", "identity.initial", "identity.*.term.*")

EGGAN_ARGUMENTS = {
    **TRAINER,
    **steps("eggan", _MAIN, 0.001, (1, 1, 1, 1, 2 / 3, 1 / 3), identity=5),
    "epochs": Argument(6, {"eggan.epochs": 6, **rates(0.001, 1, 1, 1, 1, 2 / 3, 1 / 3, phases=_MAIN),
                           **rates(0.002, 1, 1, 1, 1, 2 / 3, 1 / 3, phases=("eggan.action_units",))}),
    "learning_rate": Argument(0.03, rates(0.03, *_HALF, phases=_MAIN)),
    "classifier_learning_rate": Argument(0.03, {**rates(0.03, *_HALF, phases=("eggan.action_units",)),
                                                **rates(0.03, 1, 1, phases=("identity.identity",))}),
    "betas": betas(*_MAIN),
    "adversarial": Argument("r1-like", some("eggan.critic.term.*", "eggan.generator.term.critic")),
    "au_injection": Argument("input", {**_EDITOR, **some("shapes.Generator")}),
    "c_exp_on": Argument("both", some("eggan.action_units.term.action_units")),
    "unit_weight": weight("eggan.generator.action_units"),
    "identity_weight": weight("eggan.generator.identity"),
    "perceptual_weight": weight("eggan.generator.perceptual"),
    "reconstruction_weight": weight("eggan.generator.reconstruction"),
    "penalty_weight": weight("eggan.critic.penalty"),
    "ssim_weight": Argument(0.5, some("eggan.generator.term.reconstruction")),
    "weights": Argument("nowhere.safetensors", error="nowhere.safetensors"),
    "perceptual_layer": Argument("relu1_1", some("eggan.generator.term.perceptual")),
    "perceptual_norm": Argument("norm", some("eggan.generator.term.perceptual")),
    "code_width": Argument(12, {**_EDITOR, **some("shapes.Encoder", "shapes.Generator", "shapes.LatentDiscriminator")}),
    "generator_channels": Argument((16, 16, 12, 12), {**_EDITOR, **some("shapes.Generator")}),
    "first_factor": Argument(4, {**_EDITOR, **some("shapes.Generator")}, given={"generator_channels": (16, 12, 12, 8)}),
    "critic_channels": Argument((8, 8, 8, 8, 12), {**_JUDGES, **some("shapes.Critic")}),
    "classifier_channels": Argument((8, 16, 24), {**_JUDGES, **some("shapes.VGGClassifier")}),
    "classifier_depths": Argument((1, 2, 1), {**_JUDGES, **some("shapes.VGGClassifier")}),
    "critic_steps": Argument(3, {"eggan.generator.every": [3, 3, 3]}),
    "image_size": Argument(64, {**_EDITOR, **some("*.drawn.image", "identity.prepared.*", "shapes.*")}),
    "identity_epochs": Argument(4, {"identity.epochs": 4, **rates(0.002, 1, 1, 1, 1, phases=("identity.identity",))}),
}  # fmt: skip

# ------------------------------------------------------------------------------------------------------ DECGAN

_TWO = ("decgan.discriminator", "decgan.generator")
_DRAW = some("decgan.initial", "decgan.prepared.*", "decgan.*.term.*", "shapes.Generator", "used")
_ENCODERS = {**_DRAW, **some("expression.initial", "expression.*.term.*", "shapes.*Encoder")}

DECGAN_ARGUMENTS = {
    **TRAINER,
    **steps("decgan", _TWO, 0.001, (1, 1, 1, 1, 2 / 3, 1 / 3), expression=5),
    "learning_rate": Argument(0.03, {**rates(0.03, *_HALF, phases=_TWO),
                                     **rates(0.03, 1, 1, phases=("expression.expression",))}),
    "betas": betas(*_TWO, "expression.expression"),
    "condition": Argument("label", {**_DRAW, **some("shapes.Discriminator")}),
    "norm": Argument("instance", some("*.prepared.*", "*.term.*", "used")),
    "skips": Argument(True, _DRAW),
    "residual_blocks": Argument(1, _DRAW),
    "ground_truth": Argument("off", some("*.drawn.*", "*.prepared.*", "*.term.*", "used")),
    "truths": Argument(0, error="truths=0"),
    "adversarial_weight": weight("decgan.generator.adversarial"),
    "cycle_weight": weight("decgan.generator.cycle"),
    "label_weight": Argument(3.0, {"*.weight.label": [3.0, 3.0]}),
    "category_weight": weight("decgan.generator.category"),
    "pair_weight": weight("decgan.generator.pair"),
    "association_weight": Argument(3.0, {"decgan.generator.weight.association": [3.0, 3.0],
                                         **some("decgan.generator.term.association")}),
    "self_weight": Argument(3.0, {"decgan.generator.weight.self": [3.0, 3.0],
                                  **some("decgan.prepared.itself", "decgan.generator.term.self", "used")}),
    "matching_weight": Argument(3.0, {"decgan.discriminator.weight.matching": [3.0, 3.0],
                                      "expression.matching.weight.matching": [3.0, 3.0],
                                      **some("decgan.discriminator.term.*", "?decgan.generator.term.adversarial",
                                             "expression.*", "?used")}),
    "draws": Argument("change", some("decgan.initial", "decgan.prepared.*", "decgan.*.term.*", "used")),
    "reading_noise": Argument(0.5, some("*.prepared.*", "*.term.*", "used")),
    "encoder_channels": Argument((6, 8, 16), _ENCODERS),
    "generator_channels": Argument((12, 8, 8), _DRAW),
    "discriminator_channels": Argument(
        (4, 6, 8, 12), some("decgan.initial", "decgan.*.term.*", "shapes.Discriminator")
    ),
    "further_channels": Argument(
        (16,), some("*.initial", "*.prepared.*", "*.term.*", "shapes.ExpressionEncoder", "used")
    ),
    "kernel": Argument(5, {**_ENCODERS, **some("shapes.Discriminator")}),
    "library_size": Argument(7, some("decgan.discriminator.term.*")),
    "max_degrees": Argument(20.0, some("*.prepared.*", "*.term.*", "used")),
    "image_size": Argument(32, some("*.drawn.*", "*.prepared.*", "*.term.*", "used")),
    "expression_epochs": Argument(6, {"expression.epochs": 6,
                                      **rates(0.001, 1, 1, 1, 1, 2 / 3, 1 / 3, phases=("expression.expression",))}),
}  # fmt: skip

# ------------------------------------------------------------------------------------------------------- peers

_STAR = ("stargan.critic", "stargan.generator")
_STAR_DRAWN = some("stargan.initial", "stargan.prepared.edited", "stargan.*.term.*", "shapes.Generator", "used")
_STAR_CRITIC = some("stargan.initial", "stargan.*.term.*", "shapes.Critic", "?stargan.prepared.edited", "?used")

STARGAN_ARGUMENTS = {
    **TRAINER,
    **steps("stargan", _STAR, 0.001, (1, 1, 1, 1, 2 / 3, 1 / 3)),
    "learning_rate": Argument(0.03, rates(0.03, *_HALF, phases=_STAR)),
    "betas": betas(*_STAR),
    "condition": Argument("expressions", {**_STAR_DRAWN, **_STAR_CRITIC,
                                          **some("stargan.drawn.condition", "stargan.prepared.*")}),
    "adversarial": Argument("log", some("stargan.critic.term.critic", "stargan.critic.term.penalty",
                                        "stargan.critic.weight.penalty", "stargan.generator.term.critic")),
    "injection": Argument("input", _STAR_DRAWN),
    "draws": Argument("change", some("stargan.initial", "stargan.prepared.edited", "stargan.*.term.*", "used")),
    "domain_weight": Argument(3.0, {"stargan.*.weight.domain": [3.0, 3.0]}),
    "reconstruction_weight": weight("stargan.generator.reconstruction"),
    "penalty_weight": weight("stargan.critic.penalty"),
    "identity_weight": Argument(3.0, {"stargan.generator.weight.identity": [3.0, 3.0],
                                      **some("stargan.generator.term.identity")}),
    "generator_channels": Argument(12, _STAR_DRAWN),
    "generator_blocks": Argument(2, _STAR_DRAWN),
    "critic_channels": Argument(4, _STAR_CRITIC),
    "critic_layers": Argument(2, _STAR_CRITIC),
    "critic_steps": Argument(3, {"stargan.generator.every": [3, 3, 3]}),
    "reading_epochs": Argument(3, {"reading.epochs": 3, **some("reading.*.rates")}, given={"reading_epochs": 5}),
    "image_size": Argument(64, some("stargan.initial", "stargan.drawn.image", "stargan.prepared.*", "stargan.*.term.*",
                                    "shapes.Critic", "used")),
}  # fmt: skip

_IC, _INVERTED = ("icgan.discriminator", "icgan.generator"), ("encoders.latent", "encoders.condition")
_IC_DRAWN = some(
    "icgan.*.term.*", "encoders.*.term.latent", "*.prepared.drawn", "icgan.initial", "encoders.initial", "used"
)
_IC_ENCODER = some("encoders.initial", "encoders.*.term.*", "shapes.Encoder", "used")
_IC_LATER = some(
    "?encoders.initial", "?encoders.*.term.*", "?used"
)  # the encoders' first weights are drawn after theirs

ICGAN_ARGUMENTS = {
    **TRAINER,
    **steps("icgan", _IC, 0.001, (1,) * 6, encoders=5),
    "min_steps": Argument(20, {"icgan.epochs": 10, "encoders.epochs": 5, **some("*.rates")}),
    "epochs": Argument(6, {"icgan.epochs": 6, **rates(0.001, *[1] * 6, phases=_IC)}),
    "learning_rate": Argument(0.03, {**rates(0.03, 1, 1, 1, 1, phases=_IC), **rates(0.03, 1, 1, phases=_INVERTED)}),
    "betas": betas(*_IC, *_INVERTED),
    "condition": Argument("action_units", {**_IC_DRAWN, **_IC_LATER, **some(
        "*.drawn.condition", "*.prepared.*", "shapes.Generator", "shapes.Discriminator")}),
    "code_width": Argument(12, {**_IC_DRAWN, **_IC_LATER, **some("*.prepared.*", "shapes.*")}),
    "latent_hidden": Argument(24, _IC_ENCODER),
    "condition_hidden": Argument(24, some("encoders.initial", "encoders.condition.term.condition", "?used")),
    "generator_channels": Argument((16, 16, 8), {**_IC_DRAWN, **_IC_LATER, **some("shapes.Generator")}),
    "discriminator_channels": Argument((4, 8, 8), {**_IC_LATER, **some("icgan.initial", "icgan.*.term.*",
                                                                       "shapes.Discriminator")}),
    "encoder_channels": Argument((8, 12), _IC_ENCODER),
    "image_size": Argument(64, error="image_size=64: generator_channels of 3 make 32"),
    "encoder_epochs": Argument(6, {"encoders.epochs": 6, **rates(0.001, *[1] * 6, phases=_INVERTED)}),
}  # fmt: skip

_HI, _HI_BETAS = "homointerpgan", ("homointerpgan.critic", "homointerpgan.interpolator")
_HI_PLAIN = ("homointerpgan.decoder", "homointerpgan.guide")
_HI_DRAWN = some("homointerpgan.initial", "homointerpgan.prepared.*", "homointerpgan.*.term.*", "shapes.*", "used")
_HI_LATER = some(
    "homointerpgan.initial",
    "homointerpgan.critic.term.*",
    "homointerpgan.*.term.guidance",
    "homointerpgan.interpolator.term.critic",
    "homointerpgan.interpolator.term.group",
    "shapes.Critic",
)

HOMOINTERPGAN_ARGUMENTS = {
    **TRAINER,
    **steps(_HI, (*_HI_BETAS, *_HI_PLAIN), 0.001, (1,) * 6),
    "min_steps": Argument(20, {"homointerpgan.epochs": 10, **some("*.rates")}),
    "learning_rate": Argument(0.03, rates(0.03, 1, 1, 1, 1, phases=(*_HI_BETAS, *_HI_PLAIN))),
    "betas": betas(*_HI_BETAS),
    "condition": Argument("expressions", {**_HI_DRAWN, **some("homointerpgan.drawn.attributes")}),
    "head_on": Argument("interpolated", some("homointerpgan.critic.term.group")),
    "weights": Argument("zoo:none", error="the zoo has no 'none'"),
    **{f"{name}_weight": weight(f"homointerpgan.interpolator.{name}") for name in ("critic", "group", "homomorphic",
                                                                                  "guidance")},
    **{f"{short}_weight": Argument(3.0, {f"homointerpgan.*.weight.{term}": [3.0, 3.0]})
       for short, term in (("pixel", "pixels"), ("perceptual", "perceptual"))},
    "penalty_weight": weight("homointerpgan.critic.penalty"),
    "encoder_channels": Argument((8, 16), _HI_DRAWN),
    "encoder_depths": Argument((2, 1), _HI_DRAWN),
    "critic_channels": Argument(12, _HI_LATER),
    "critic_steps": Argument(3, {"homointerpgan.interpolator.every": [3, 3, 3]}),
    "image_size": Argument(64, some("homointerpgan.initial", "homointerpgan.drawn.image", "homointerpgan.prepared.*",
                                    "homointerpgan.*.term.*", "shapes.Critic", "used")),
}  # fmt: skip

# ------------------------------------------------------------------------------------------------------ rivals

_PROBE = some("baseline.initial", "baseline.classifier.term.person*")
REVERSAL_ARGUMENTS = {
    **RESNET_ARGUMENTS,
    "classifier_arguments": Argument({"channels": (8, 16, 16, 24)}, {**_NETWORK, **some("shapes.FeatureProbe")}),
    "identity_reversal": Argument(3.0),  # of the gradient alone
    "probe_hidden": Argument((8,), {**_PROBE, **some("shapes.FeatureProbe")}),
}

_NF = ("reenactment.discriminator", "reenactment.generator")
_NF_NETS = some("reenactment.initial", "reenactment.prepared.generated", "reenactment.*.term.*", "classifier.initial",
                "classifier.prepared.code", "classifier.*.term.*", "used")  # fmt: skip
_NF_SEEN = some("reenactment.drawn.*", "reenactment.prepared.*", "reenactment.*.term.*", "classifier.drawn.*",
                "?classifier.prepared.*", "?classifier.*.term.*", "?used")  # fmt: skip
_NF_LAST = some("classifier.initial", "classifier.*.term.*", "shapes.ImageClassifier", "used")

NORMALISED_ARGUMENTS = {
    **TRAINER,
    **steps("reenactment", _NF, 0.002, (1, 1, 0.85, 0.85, 0.7225, 0.7225), classifier=10),
    **decays(0.002, 0.85, _NF),
    "augmentation": Argument(
        "strong",
        some(
            "reenactment.prepared.[cgs]*",
            "reenactment.*.term.*",
            "?classifier.prepared.code",
            "?classifier.*.term.*",
            "?used",
        ),
    ),
    **starts("reenactment"),
    "pretrain": Argument(EXTRA, some("pretraining *", "?reenactment.*", "?classifier.*", "?used")),
    "pretrain_epochs": Argument(
        3,
        some(
            "pretraining *.epochs", "pretraining *.rates", "?pretraining *", "?reenactment.*", "?classifier.*", "?used"
        ),
        given={"pretrain": EXTRA, "pretrain_epochs": 5},
    ),
    "generator_arguments": Argument(
        {}, {**_NF_NETS, **some("shapes.*", "?*.prepared.*", "?*.drawn.*", "?*.weight.*", "?*.every", "?used")}
    ),
    "classifier": Argument("resnet18d", _NF_LAST),
    "classifier_arguments": Argument({"channels": (8, 16, 16, 24)}, _NF_LAST),
    "small_stem": Argument(True, _NF_LAST),
    "weights": Argument("nowhere.safetensors", error="nowhere.safetensors"),
    "classifier_epochs": Argument(6, {"classifier.epochs": 6, **some("classifier.classifier.rates")}),
    "classifier_learning_rate": Argument(0.03, some("classifier.classifier.rates")),
    "max_degrees": Argument(20.0, some("?classifier.prepared.code", "?classifier.*.term.*", "?used")),  # see its test
    "betas": betas(*_NF, "classifier.classifier"),
    "image_size": Argument(40, _NF_SEEN),
    "crop_size": Argument(64, {**_NF_NETS, **some("*.prepared.*", "shapes.*")}, given={"image_size": 64}),
    "extra_train": Argument(EXTRA, {**_NF_SEEN, "*.steps": 3}),
    "class_weight": Argument({"fear": 3.0}, some("classifier.classifier.term.softmax")),
    "sampler": Argument("balanced", _NF_SEEN),
    "test_flip": Argument(True, some("used")),
}

# -------------------------------------------------------------------------------------------------- evaluators


def evaluator(stage: str, phase: str, shapes: str) -> dict[str, Any]:
    """Arguments that the estimator of action units and both judges have."""
    drawn = some(f"{stage}.drawn.*", f"{stage}.prepared.*", f"{stage}.*.term.*")
    return {
        **TRAINER,
        "epochs": Argument(6, {f"{stage}.epochs": 6, **some(f"{stage}.{phase}.rates")}),
        "min_steps": Argument(20, {f"{stage}.epochs": 10, **some(f"{stage}.{phase}.rates")}),
        "steps_per_image": Argument(
            0.01, {f"{stage}.epochs": 4, **some(f"{stage}.{phase}.rates")}, given={"min_steps": 20}
        ),
        "batch_size": Argument(8, {**drawn, f"{stage}.rows": 8, **some(f"{stage}.steps", "?used")}),
        "seed": Argument(5, {**drawn, **some(f"{stage}.initial", "used"), "trainer.seed": 5}),
        "learning_rate": Argument(0.03, some(f"{stage}.{phase}.rates")),
        "weight_decay": Argument(0.5, {f"{stage}.{phase}.weight_decay": 0.5}),
        "image_size": Argument(40, {**drawn, **some(f"{stage}.initial", shapes, "used")}),
        "held_out": Argument(
            0.5, {**drawn, **some(f"?{stage}.steps", f"?{stage}.initial", "?shapes.Directions", "?used")}
        ),
    }


_AU = some("action_units.initial", "action_units.*.term.*", "shapes.VGGClassifier", "used")


def judge(stage: str) -> dict[str, Any]:
    network = some(f"{stage}.initial", f"{stage}.*.term.*", "shapes.JudgeNetwork", "used")
    return {
        **evaluator(stage, "judge", "shapes.JudgeNetwork"),
        "widths": Argument((8, 24), network),
        "dropout": Argument(0.7, some(f"{stage}.judge.term.*")),
        "image_size": Argument(20, {**network, **some(f"{stage}.drawn.*", f"{stage}.prepared.*")}),
    }


ARGUMENTS: dict[str, dict[str, Argument]] = {
    "IFGAN": IFGAN_ARGUMENTS,
    "ResNetClassifier": RESNET_ARGUMENTS,
    "RELGAN": RELGAN_ARGUMENTS,
    "BaselineCNN": CNN_ARGUMENTS,
    "EGGAN": EGGAN_ARGUMENTS,
    "DECGAN": DECGAN_ARGUMENTS,
    "StarGAN": STARGAN_ARGUMENTS,
    "IcGAN": ICGAN_ARGUMENTS,
    "HomoInterpGAN": HOMOINTERPGAN_ARGUMENTS,
    "IdentityReversal": REVERSAL_ARGUMENTS,
    "NormalisedFace": NORMALISED_ARGUMENTS,
    "AUEstimator": {
        **evaluator("action_units", "action_units", "shapes.VGGClassifier"),
        "channels": Argument((8, 8, 12), _AU),
        "depths": Argument((1, 2, 1), _AU),
    },
    "ExpressionJudge": judge("expression judge"),
    "IdentityJudge": judge("identity judge"),
}

# ---------------------------------------------------------------------------- defaults, those of the papers first

_TRAINING = {"min_steps": 0, "steps_per_image": 0.0, "gradient_clip": None, "seed": 0,
             "accelerator": "auto", "devices": 1, "precision": "auto", "logger": "csv", "progress": True}  # fmt: skip
_RECOGNITION = {**_TRAINING, "extra_train": None, "class_weight": None, "sampler": "shuffle", "test_flip": False,
                "augmentation": "paper", "schedule": "steps", "pretrain": None, "pretrain_epochs": 20}  # fmt: skip
_CAI = {  # Cai et al. 2021: Section 4.2; lambdas of Eq. 1, alpha of Eq. 5
    "softmax_weight": 10.0, "island_weight": 1.0, "island_alpha": 0.03, "image_size": 256, "crop_size": 224,
    "max_degrees": 5.0, "epochs": 100, "batch_size": 50, "learning_rate": 1e-4, "betas": (0.9, 0.99),
    "weight_decay": 1e-4, "decay": 0.9, "decay_epochs": 10, "classifier": "resnet101.tv_in1k", "weights": "imagenet",
    "classifier_arguments": None, "island_reduction": "mean", "small_stem": False,
}  # fmt: skip
_ALI = {  # Ali and Hughes 2020: Section 4.1
    "encoder_channels": (64, 128, 256, 512, 512), "image_size": 110, "crop_size": 96, "epochs": 300, "batch_size": 64,
    "learning_rate": 1e-4, "betas": (0.5, 0.999), "decay": 1.0, "decay_epochs": 1, "views": "random",
    "test_views": "centre", "weights": None, "encoder": "blocks",
}  # fmt: skip
_JUDGE = {
    **_TRAINING, "accelerator": "cpu", "logger": None, "progress": False, "image_size": 64,
    "widths": (16, 48, 96, 128, 160), "dropout": 0.2, "epochs": 20, "batch_size": 64, "learning_rate": 4e-3,
    "weight_decay": 0.02, "held_out": 0.15,
}  # fmt: skip

DEFAULTS: dict[str, dict[str, Any]] = {
    "IFGAN": {
        **_RECOGNITION, **_CAI, "cgan_weight": 1.0, "l1_weight": 20.0, "generator_channels": (64, 128, 256, 512, 512),
        "discriminator_channels": 64, "attention": True, "classifier_input": "generated", "average_from": "target",
        "average_view": "input", "skips": True, "generator_norm": "instance",
        "generator_encoder": "strided", "classifier_trains_generator": True,
        "names_weight": 0.0, "attention_start": 0.0, "decoder_input": "maps", "identity_reversal": 0.0,
    },
    "ResNetClassifier": {**_RECOGNITION, **_CAI, "augment": True},
    "RELGAN": {
        **_RECOGNITION, **_ALI,
        "decoder_channels": (512, 256, 128, 64, 32), "discriminator_channels": (16, 32, 64, 128),
        "adversarial_weight": 0.7, "pixel_weight": 20.0, "expression_weight": 50.0, "identity_weight": 30.0,  # Eq. 4
        "pixel_growth": 1.0, "mlp_epochs": 50, "mlp_learning_rate": 1e-4, "hidden": 128, "dropout": 0.2,
        "ground_truth": "auto", "truths": 8, "near_optimal": 0.9, "generator_steps": 4, "pixel_reduction": "mean",
        "self_transfers": 0.0, "cycle_weight": 0.0, "mlp_views": "all", "finetune_encoder": False,
        "names_weight": 0.0,
    },
    "BaselineCNN": {**_RECOGNITION, **_ALI},
    "EGGAN": {
        **_TRAINING, "unit_weight": 100.0, "identity_weight": 60.0, "perceptual_weight": 20.0,  # Section 4.1
        "reconstruction_weight": 100.0, "penalty_weight": 20.0, "ssim_weight": 1.0, "image_size": 128, "epochs": 400,
        "batch_size": 8, "learning_rate": 1e-4, "classifier_learning_rate": 2e-4, "betas": (0.5, 0.999),
        "adversarial": "wgan-gp", "au_injection": "modulate", "c_exp_on": "real", "weights": "imagenet",
        "perceptual_layer": "relu2_1", "perceptual_norm": "squared", "code_width": 128,
        "generator_channels": (512, 256, 256, 128, 64, 32), "critic_channels": (32, 64, 128, 256, 256, 256),
        "classifier_channels": (64, 128, 256, 512, 512), "classifier_depths": (2, 2, 4, 4, 4), "critic_steps": 5,
        "identity_epochs": 40, "first_factor": 2,
    },
    "DECGAN": {
        **_TRAINING, "encoder_channels": (64, 128, 256), "generator_channels": (256, 128, 64),  # Tables 1 and 2
        "discriminator_channels": (64, 128, 256, 512), "kernel": 7, "image_size": 64, "learning_rate": 2e-4,
        "betas": (0.5, 0.999), "adversarial_weight": 1.0, "cycle_weight": 10.0, "label_weight": 1.0,
        "category_weight": 1.0, "pair_weight": 10.0, "association_weight": 0.0, "condition": "feature",
        "self_weight": 0.0, "matching_weight": 0.0, "draws": "image", "reading_noise": 0.0,
        "norm": "instance", "skips": False, "residual_blocks": 0, "further_channels": (), "library_size": 50,
        "max_degrees": 0.0, "ground_truth": "auto", "truths": 8, "epochs": 200, "expression_epochs": 50,
        "batch_size": 16,
    },
    "StarGAN": {
        **_TRAINING, "condition": "action_units", "adversarial": "wgan-gp", "domain_weight": 1.0,  # Sections 4 and 5.2
        "injection": "input", "draws": "image", "reading_epochs": 0,
        "reconstruction_weight": 10.0, "penalty_weight": 10.0, "identity_weight": 0.0, "generator_channels": 64,
        "generator_blocks": 6, "critic_channels": 64, "critic_layers": 6, "critic_steps": 5, "image_size": 128,
        "epochs": 200, "batch_size": 16, "learning_rate": 1e-4, "betas": (0.5, 0.999),
    },
    "IcGAN": {
        **_TRAINING, "condition": "expressions", "code_width": 100, "latent_hidden": 4096, "condition_hidden": 512,
        "generator_channels": (512, 256, 128, 64), "discriminator_channels": (64, 128, 256, 512),  # Table 1
        "encoder_channels": (32, 64, 128, 256), "image_size": 64, "epochs": 25, "encoder_epochs": 25, "batch_size": 64,
        "learning_rate": 2e-4, "betas": (0.5, 0.999),
    },
    "HomoInterpGAN": {
        **_TRAINING, "condition": "action_units", "head_on": "real", "weights": "imagenet", "critic_weight": 1.0,
        "group_weight": 1.0, "homomorphic_weight": 1.0, "pixel_weight": 1.0, "perceptual_weight": 1.0,
        "guidance_weight": 1.0, "penalty_weight": 100.0, "encoder_channels": (64, 128, 256, 512, 512),  # VGG19's
        "encoder_depths": (2, 2, 4, 4, 1), "critic_channels": 256, "critic_steps": 5, "image_size": 128, "epochs": 100,
        "batch_size": 32, "learning_rate": 1e-4, "betas": (0.5, 0.999),
    },
    "IdentityReversal": {**_RECOGNITION, **_CAI, "augment": True, "identity_reversal": 1.0, "probe_hidden": (64,)},
    "NormalisedFace": {
        **_RECOGNITION, "generator_arguments": None, "classifier": "resnet101.tv_in1k", "classifier_arguments": None,
        "small_stem": False, "weights": "imagenet", "classifier_epochs": 50, "classifier_learning_rate": 1e-4,
        "max_degrees": 5.0,
        **{name: _ALI[name] for name in ("image_size", "crop_size", "epochs", "batch_size", "learning_rate", "betas",
                                         "decay", "decay_epochs")},
    },
    "AUEstimator": {
        **_TRAINING, "logger": None, "channels": (64, 128, 256, 512, 512), "depths": (2, 2, 4, 4, 4), "image_size": 128,
        "held_out": 0.15, "epochs": 40, "batch_size": 64, "learning_rate": 1e-3, "weight_decay": 0.02,
    },
    "ExpressionJudge": _JUDGE,
    "IdentityJudge": _JUDGE,
}  # fmt: skip
