"""
A split that leaks
==================

The same faces, the same classifier, two ways to cut the set into five parts. Where images of one person are on both
sides, the figure is of people that the classifier has seen before.
"""

# %%
# 24 people, six expressions of each as a sequence of five frames, from the resting face to the apex; the first frame is
# neutral. The classifier takes the label of the most similar training image: it learns nothing, so all that it knows of
# a test image is what lies in the training part.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import StratifiedKFold

from ferdis import Faces, Fold, SubjectKFold, audit, load

same = {"image_size": 32, "sequences": True, "frames": 5, "cache": False}
faces = load("synthetic", people=24, expressions=6, images_per_expression=1, **same)
faces = Faces(faces.pixels(), faces.table)  # drawn once, not at every access
grey = faces.pixels().mean(-1).reshape(len(faces), -1)  # (720, 1024)
grey = (grey - grey.mean(1, keepdims=True)) / grey.std(1, keepdims=True)


def nearest(test: np.ndarray, train: np.ndarray) -> np.ndarray:
    """The row of the most similar training image of each test image."""
    return train[(grey[test] @ grey[train].T).argmax(1)]


random = list(StratifiedKFold(5, shuffle=True, random_state=0).split(grey, faces.expression))
by_subject = [(fold.train, fold.test) for fold in SubjectKFold(5, validation_folds=0).split(faces)]
accuracy = {}
for name, split in {"images drawn at random": random, "people held out": by_subject}.items():
    right = [(faces.expression[nearest(test, train)] == faces.expression[test]).mean() for train, test in split]
    accuracy[name] = np.array(right)
    print(f"{name}: {100 * np.mean(right):.1f} %")

# %%
# What it looks at
# ----------------
#
# An image of each of six people, above the training image that it is most like: at random that is another frame of the
# same sequence, which tells the label; otherwise somebody who looks alike, which tells nothing.

figure, axes = plt.subplots(4, 6, figsize=(8.4, 6.4), layout="constrained")
people = np.unique(faces.subject)[[0, 4, 8, 12, 16, 20]]
for above, (name, split) in zip((0, 2), (("random", random), ("by subject", by_subject)), strict=True):
    for column, person in enumerate(people):
        shown = np.flatnonzero((faces.subject == person) & (faces.table["frame"] == 4))[column % 6]
        train = next(train for train, test in split if shown in test)
        pair = (shown, nearest(np.array([shown]), train)[0])
        for axis, index in zip(axes[above : above + 2, column], pair, strict=True):
            frame = faces.table["frame"].iloc[index]
            axis.imshow(faces.pixels([index])[0])
            axis.set(xticks=[], yticks=[])
            axis.set_title(
                f"{faces.subject[index].split('/')[-1]}, frame {frame}\n{faces.expression[index]}", fontsize=7
            )
    axes[above, 0].set_ylabel(f"{name}:\ntested", fontsize=8)
    axes[above + 1, 0].set_ylabel("most alike in\ntraining", fontsize=8)
plt.show()

# %%
# The figure that comes out
# -------------------------
#
# One dot per fold.

figure, axis = plt.subplots(figsize=(6, 2.2), layout="constrained")
for height, values in enumerate(accuracy.values()):
    axis.plot(100 * values, np.full(len(values), height), "o", color="tab:blue", alpha=0.6)
    axis.plot(100 * values.mean(), height, "|", color="black", markersize=22)
most = 100 * np.mean(faces.expression == "neutral")  # the most frequent class
axis.axvline(most, color="grey", linestyle=":")
axis.text(most + 1, 0.5, "always the same answer", color="grey", fontsize=8, va="center")
axis.set(yticks=range(len(accuracy)), yticklabels=accuracy, ylim=(-0.6, 1.6), xlabel="accuracy, %", xlim=(0, 100))
plt.show()

# %%
# The audit names it
# ------------------
#
# ``evaluate`` and ``ferdis kfold`` look before every run, and refuse such a split. A list of folds that somebody
# published is audited in the same way.

nobody = np.empty(0, np.int64)  # no validation part
folds = [Fold(number, np.sort(train), nobody, np.sort(test)) for number, (train, test) in enumerate(random)]
print(audit(faces, folds[:1], raise_on_leak=False))
print(audit(faces, SubjectKFold(5).split(faces)))
