"""
Read a face
===========

The recogniser that ships with ferdis gives seven probabilities and 17 action units for each face that it finds. It has
learned from rendered people alone; what it reads of photographs is on its card (``ferdis models expression``).
"""

# %%
# Three people side by side stand for a photograph. Faces are looked for, aligned and read: one row per face.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

import ferdis
from ferdis.faces import AU_COLUMNS, SEVEN_EXPRESSIONS

shown = ["happiness", "surprise", "anger"]
people = ferdis.load("synthetic", people=3, expressions=shown, images_per_expression=1, image_size=256,
                     difficulty="easy", seed=19, cache=False)  # fmt: skip
photograph = np.concatenate(list(people.pixels([0, 4, 8])), axis=1)  # each with another expression: (256, 768, 3)
table = ferdis.predict(photograph, action_units=True).sort_values("left")
print(table[["face", "detected", "left", "right", "expression"]].round(0).to_string(index=False))

# %%
# Where it looked, how probable each expression is, and how strong each action unit (0 to 5).

figure = plt.figure(figsize=(9, 7.5), layout="constrained")
rows = figure.subfigures(3, 1, height_ratios=[1.3, 1, 1.5])
axis = rows[0].subplots()
axis.imshow(photograph)
axis.axis("off")
for _, face in table.iterrows():
    size = (face["right"] - face["left"], face["bottom"] - face["top"])
    axis.add_patch(Rectangle((face["left"], face["top"]), *size, fill=False, edgecolor="lime", linewidth=2))
names = [f"p_{name}" for name in SEVEN_EXPRESSIONS]
for part, columns, most in ((rows[1], names, 1), (rows[2], list(AU_COLUMNS), 5)):
    for number, (axis, (_, face)) in enumerate(zip(part.subplots(1, len(table)), table.iterrows(), strict=True)):
        labels = [name.removeprefix("p_") for name in columns]
        axis.barh(labels, face[columns].to_numpy(float), color="tab:blue")
        axis.set(xlim=(0, most), title=face["expression"] if columns is names else "")
        axis.tick_params(labelsize=7, labelleft=number == 0)
        axis.invert_yaxis()
plt.show()

# %%
# How sure it is
# --------------
#
# Other people, with pose and light that vary. An answer below a probability can be left out: fewer faces are answered,
# and more of the answers are right. This is of rendered people, like those that the probabilities are calibrated on; on
# photographs they are too high.

faces = ferdis.load("synthetic", people=20, expressions=7, images_per_expression=1, image_size=64,
                    framing="aligned", seed=20, cache=False)  # fmt: skip
probabilities = ferdis.load_model("zoo:expression").predict_proba(faces)  # (140, 7)
right = np.array(SEVEN_EXPRESSIONS)[probabilities.argmax(1)] == faces.expression
order = np.argsort(-probabilities.max(1))  # the surest first
answered = np.arange(1, len(faces) + 1)
print(f"{right.mean():.0%} of {len(faces)} faces, {right[order][: len(faces) // 2].mean():.0%} of the surer half")

figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
axis.plot(answered / len(faces), np.cumsum(right[order]) / answered)
axis.set(xlabel="share of faces that are answered, the surest first", ylabel="share of them that is right",
         xlim=(0, 1), ylim=(0, 1.03))  # fmt: skip
plt.show()
