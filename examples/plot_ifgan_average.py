"""
Whose face is it?
=================

IF-GAN turns any face into the average person of its training set with the same expression, and classifies the
expression of that image. Here a small one is trained on synthetic people and applied to unseen ones.
"""

# %%
# 24 people to train on, and four others. They are rendered, so there is nothing to download, and one seed gives one
# population: people 0 to 23 and people 24 to 27 are disjoint.

import matplotlib.pyplot as plt

from ferdis import IFGAN, Faces, load

same = {"image_size": 72, "difficulty": "easy", "cache": False}
train = load("synthetic", people=24, images_per_expression=2, **same)
unseen = load("synthetic", people=4, images_per_expression=1, first_person=24, **same)
train = Faces(train.pixels(), train.table)  # drawn once, not at every access
print(train, unseen, sep="\n")

# %%
# The small size starts from the recogniser of the zoo, and 300 steps are enough to see the principle.

model = IFGAN.small(progress=False).fit(train)
print(f"accuracy on unseen people: {model.score(unseen):.0%}, chance {1 / len(model.classes_):.0%}")

# %%
# Its targets: the mean face of each class over the training people.

figure, axes = plt.subplots(1, len(model.classes_), figsize=(9, 1.8), layout="constrained")
for axis, name in zip(axes, model.classes_, strict=True):
    axis.imshow(model.averages_[name])
    axis.set_title(name, fontsize=8)
    axis.axis("off")
figure.suptitle("average faces of the training people")

# %%
# Unseen people (odd rows), and the face that IF-GAN generates from each (even rows): always the same person. It sees,
# and draws, the middle of an image.

generated = model.average(unseen)
people = sorted(set(unseen.subject))
figure, axes = plt.subplots(2 * len(people), len(model.classes_), figsize=(9, 2.4 * len(people)))
for row, person in enumerate(people):
    for column, name in enumerate(model.classes_):
        index = int(((unseen.subject == person) & (unseen.expression == name)).nonzero()[0][0])
        for offset, pixels in enumerate((unseen.pixels([index])[0], generated[index])):
            axes[2 * row + offset, column].imshow(pixels)
            axes[2 * row + offset, column].axis("off")
        axes[0, column].set_title(name, fontsize=8)
figure.tight_layout(pad=0.3)
plt.show()
