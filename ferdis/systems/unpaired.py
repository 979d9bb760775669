"""What training on unpaired faces needs: the association of codes, and a library of generated faces for D.

DECGAN's Eq. 2 and 3 are here (Chen et al. 2018, Section 3.2), with the walk of Haeusser et al. (2017) that it follows;
the library is its Section 4.2, and CycleGAN's pool (Zhu et al. 2017, Section 4).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ferdis.losses import in_float32


@in_float32
def transition(start: Tensor, end: Tensor) -> Tensor:
    """P^ab_ij = P(B_j | A_i), the softmax over j of the scalar products of codes (Eq. 2).

    Parameters
    ----------
    start, end : Tensor of shape (n, d), (m, d)
        Codes A and B.

    Returns
    -------
    Tensor of shape (n, m), rows sum to 1
    """
    return (start @ end.T).softmax(1)


@in_float32
def round_trip(there: Tensor, back: Tensor) -> Tensor:
    """P^aba = P^ab P^ba (Eq. 3): from each code of A through all of B to each of A.

    ``there`` (n, m) and ``back`` (m, n) are transitions; the result is (n, n), its rows sum to 1.
    """
    return there @ back


@in_float32
def association_loss(walk: Tensor, people: Tensor) -> Tensor:
    """Cross-entropy of the round trip with an end at a face of the same person (Eq. 3; Haeusser et al. 2017).

    Parameters
    ----------
    walk : Tensor of shape (n, n)
        From :func:`round_trip`.
    people : Tensor of shape (n,), int64
        Of the faces where it starts and ends.
    """
    same = (people[:, None] == people[None, :]).to(walk.dtype)
    return -(same / same.sum(1, keepdim=True) * (walk + 1e-8).log()).sum(1).mean()


class ImagePool(nn.Module):
    """Generated faces and their labels, kept for D (Section 4.2; the pool of Zhu et al. 2017).

    Parameters
    ----------
    size : int
        Faces that it holds; 0 gives every face straight on.
    label_width, image_size : int
    """

    faces: Tensor
    labels: Tensor
    filled: Tensor

    def __init__(self, size: int, label_width: int, image_size: int) -> None:
        super().__init__()
        self.register_buffer("faces", torch.zeros(size, 3, image_size, image_size))
        self.register_buffer("labels", torch.zeros(size, label_width))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def exchange(self, faces: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Take new faces (n, 3, S, S) and labels (n, L) in; give as many out, some of them older."""
        faces, labels = faces.float().clone(), labels.float().clone()
        size = len(self.faces)
        fresh = min(len(faces), size - int(self.filled))  # until it is full it keeps what it sees, and passes it on
        places = torch.arange(fresh) + int(self.filled)
        self.faces[places], self.labels[places] = faces[:fresh], labels[:fresh]
        self.filled += fresh
        if fresh == len(faces) or not size:
            return faces, labels
        # Each of the others changes places with a random older one, or goes straight on, at even odds.
        swapped = fresh + torch.nonzero(torch.rand(len(faces) - fresh) < 0.5).flatten()[:size]
        places = torch.randperm(size)[: len(swapped)]
        older = self.faces[places].clone(), self.labels[places].clone()
        self.faces[places], self.labels[places] = faces[swapped], labels[swapped]
        faces[swapped], labels[swapped] = older
        return faces, labels
