"""
Whose face is it?
=================

IF-GAN turns any face into the average person of its training set with the same expression, and reads the expression
from that image. Here a small one is trained on synthetic people, and shown people it has never seen.
"""

# %%
# Two dozen people to train on, and four strangers. They are rendered, so there is nothing to download, and one
# seed gives one population: people 0 to 23 and people 24 to 27 share nobody.

import matplotlib.pyplot as plt

from ferdis import IFGAN, load

same = {"image_size": 72, "difficulty": "easy", "cache": False}
train = load("synthetic", people=24, images_per_expression=2, **same)
strangers = load("synthetic", people=4, images_per_expression=1, first_person=24, **same)
print(train, strangers, sep="\n")

# %%
# The small size has narrow networks and starts from random weights; ten epochs are enough to see the idea.

model = IFGAN.small(epochs=10, progress=False).fit(train)
print(f"accuracy on strangers: {model.score(strangers):.0%}, chance {1 / len(model.classes_):.0%}")

# %%
# What it aims at: the mean face of each class, of the training people alone.

figure, axes = plt.subplots(1, len(model.classes_), figsize=(9, 1.8))
for axis, name in zip(axes, model.classes_, strict=True):
    axis.imshow(model.averages_[name])
    axis.set_title(name, fontsize=8)
    axis.axis("off")
figure.suptitle("average faces of the training people")

# %%
# Strangers (odd rows), and the face that IF-GAN makes of each (even rows): one person, whoever went in.

generated = model.average(strangers)
people = sorted(set(strangers.subject))
figure, axes = plt.subplots(2 * len(people), len(model.classes_), figsize=(9, 2.4 * len(people)))
for row, person in enumerate(people):
    for column, name in enumerate(model.classes_):
        index = int(((strangers.subject == person) & (strangers.expression == name)).nonzero()[0][0])
        for offset, picture in enumerate((strangers.pixels([index])[0], generated[index])):
            axes[2 * row + offset, column].imshow(picture)
            axes[2 * row + offset, column].axis("off")
        axes[0, column].set_title(name, fontsize=8)
figure.tight_layout(pad=0.3)
plt.show()
