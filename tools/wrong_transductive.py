"""Wrong programs in what looks at a person's images together: a part of ``tools/wrong_programs.py``, in its form."""

from __future__ import annotations

from tools.wrong_form import Programs
from tools.wrong_front import GRAPH

TRANSDUCTIVE, KFOLD = "tests/protocol/test_transductive.py", "tests/cli/test_kfold.py"

TRANSDUCTIVES: Programs = {
    "ferdis/protocol/splitters.py": (
        (TRANSDUCTIVE,),
        {
            "transductive: images of the training people given": (
                "reference=fold.test) for",
                "reference=fold.train) for",
            ),
            "transductive: one image fewer given": ("reference=fold.test) for", "reference=fold.test[1:]) for"),
            "transductive: nothing given": ("reference=fold.test) for", "index=fold.index) for"),
        },
    ),
    "ferdis/protocol/folds.py": (
        (TRANSDUCTIVE,),
        {
            "transductive with any reference": (
                "len(self.reference) > 0 and np.array_equal(self.reference, self.test)",
                "len(self.reference) > 0",
            ),
            "transductive never": ("return len(self.reference) > 0 and", "return len(self.reference) < 0 and"),
            "transductive where one image is in both": (
                "np.array_equal(self.reference, self.test)",
                "bool(np.isin(self.reference, self.test).any())",
            ),
        },
    ),
    "ferdis/protocol/leakage.py": (
        (TRANSDUCTIVE,),
        {
            "transductive: references of training people pass": (
                "(*_ACROSS, *_REFERENCE, *(() if fold.transductive else apart))",
                "(*_ACROSS, *(() if fold.transductive else apart))",
            ),
            "a reference that is tested passes though no fold is transductive": (
                "*(() if fold.transductive else apart)",
                "*()",
            ),
        },
    ),
    "ferdis/evaluation/fit_and_score.py": (
        (TRANSDUCTIVE,),
        {
            "transductive: the label of a test part of one class is given": ("and not fold.transductive", "or False"),
            "transductive: labels given": ("if len(given.classes) == 1 and not fold.transductive", "if True"),
            "transductive: called a few images": (
                "    if fold.transductive:\n        return",
                "    if False:\n        return",
            ),
        },
    ),
    "ferdis/evaluation/stress.py": (
        (TRANSDUCTIVE,),
        {
            "transductive: clean images given under stress": (
                "without_labels(worse) if job.fold.transductive else reference",
                "reference",
            ),
            "transductive: labels given under stress": (
                "without_labels(worse) if",
                "worse if",
            ),
            "stressed images given in place of a reference": (
                "if job.fold.transductive else reference",
                "if reference is not None else reference",
            ),
        },
    ),
    "ferdis/evaluation/verify.py": (
        (TRANSDUCTIVE, "tests/protocol/test_calibrated.py"),
        {
            "verified with nothing given": ("none, none, tested, referred)", "none, none, tested)"),
            "verified with the reference of all folds": (
                'listed = listed[listed["fold"] == done["fold"]]',
                'listed = listed[listed["fold"] >= 0]',
            ),
        },
    ),
    "ferdis/cli/kfold.py": (
        (KFOLD,),
        {
            "means of neutral images whatever the protocol gives": (
                'getattr(experiment.protocol, "expression", "any")',
                '"neutral"',
            ),
            "means of all images whatever the protocol gives": (
                'getattr(experiment.protocol, "expression", "any")',
                '"any"',
            ),
            "the difference whatever features are asked for": (", features=features)", ")"),
        },
    ),
    "ferdis/onnx_model.py": (
        (GRAPH,),
        {
            "inputs of any name": ("if set(inputs) != set(self.inputs):", "if False:"),
            "an input fewer passes": ("set(inputs) != set(self.inputs)", "not set(inputs) <= set(self.inputs)"),
            "images of any size": ('s in ("n", n)', "True"),
            "images of any number of sides": ("len(sides) == given.ndim and", "len(sides) <= given.ndim and"),
            "images of any type": ("or given.dtype != dtype ", ""),
            "no images": ("or not len(given)", ""),
        },
    ),
}
