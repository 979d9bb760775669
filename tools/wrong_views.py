"""Wrong programs in the views and the light of training images: a part of ``tools/wrong_programs.py``, in its form."""

from __future__ import annotations

from tools.wrong_form import Programs

VIEWS: Programs = {
    "ferdis/preprocess/augment.py": (
        ("tests/preprocess/test_augment.py",),
        {
            "never mirrored": (
                "uniform[0] < flip, -1.0, 1.0",
                "uniform[0] < flip, 1.0, 1.0",
            ),
            "turned twice as far": (
                "math.radians(max_degrees)",
                "math.radians(2 * max_degrees)",
            ),
            "images in [0, 2]": (
                ".div_(127.5).sub_(1)",
                ".div_(127.5)",
            ),
            "mirror images of the rest": (
                "< flip, -1.0, 1.0)",
                "< flip, 1.0, -1.0)",
            ),
            "turned one way alone": (
                "(uniform[1] * 2 - 1)",
                "uniform[1]",
            ),
            "degrees as radians": (
                "math.radians(max_degrees)",
                "max_degrees",
            ),
            "one offset for both directions": (
                "offset = (uniform[2:] * ",
                "offset = (uniform[[2, 2]] * ",
            ),
            "the last place never drawn": (
                "] * (slack + 1)).floor",
                "] * slack).floor",
            ),
            "rotation the other way": (
                "scale, -sign * sine",
                "scale, sign * sine",
            ),
            "offsets not turned": (
                "sine * offset[0] + cosine * offset",
                "offset",
            ),
            "offset of a mirror image not mirrored": (
                "sign * (cosine * offset[0] - sine * offset[1])",
                "cosine * offset[0] - sine * offset[1]",
            ),
            "loosened alike for all": (
                "n, len(_LOOSE), generator=generator, device=device",
                "1, len(_LOOSE), generator=generator, device=device).expand(n, -1",
            ),
            "loosened views lose their place": (
                " + views[:, :, 2:]",
                "",
            ),
            "scale above 1 alone": (
                "_LOOSE = ((0.87, 1.15),",
                "_LOOSE = ((1.0, 1.15),",
            ),
            "stretched in both directions": (
                "cosine / stretch, down",
                "cosine * stretch, down",
            ),
            "one gamma for a batch": (
                "torch.rand(n, 1, 1, 1",
                "torch.rand(1, 1, 1, 1",
            ),
            "gamma of the range -1..1": (
                "((images + 1) / 2)",
                "images",
            ),
            "colours are never dulled": (
                "grey + uniform(0.0, 1.2",
                "grey + uniform(1.0, 1.2",
            ),
            "never sharpened": (
                "uniform(-0.5, 1.0) ",
                "uniform(0.0, 1.0) ",
            ),
            "no noise": (
                "uniform(0, 0.05) * torch",
                "uniform(0, 0.0) * torch",
            ),
            "every face is covered": (
                "& (chosen < 1 / 3)",
                "",
            ),
            "no face is covered": (
                "& (chosen < 1 / 3)",
                "& (chosen < 0)",
            ),
            "distorted images beyond their range": (
                "generator).clamp(0, 1) * 2",
                "generator) * 2",
            ),
            "one noise for all": (
                "torch.rand(len(images),",
                "torch.rand(1,",
            ),
            "noise of the largest": (
                "torch.rand(len(images), 1, 1, 1, **drawn) * torch",
                "torch",
            ),
            "means of too few": (
                "return down / side**2",
                "return down / side",
            ),
            "the first views are mirrored": (
                "rest = numbers // (PATCH_VIEWS",
                "rest = 1 - numbers // (PATCH_VIEWS",
            ),
            "patches and angles exchanged": (
                "[rest // len(PATCH_PLACES",
                "[rest % len(PATCH_PLACES",
            ),
            "corners half way": (
                "slack / 2)) * (2 / image_size",
                "slack / 4)) * (2 / image_size",
            ),
            "black beyond the border": (
                'padding_mode="border", align_corners',
                'padding_mode="zeros", align_corners',
            ),
            "the truth in its own view": (
                "views = loosened(views, generator)\n    return distorted(take_views(images, views",
                "return distorted(take_views(images, loosened(views, generator)",
            ),
            "strong without light": (
                "distorted(take_views(images, views, crop_size), generator",
                "take_views(images, views, crop_size",
            ),
            "cut off at whole numbers": (
                "5).round().clamp(0,",
                "5).clamp(0,",
            ),
            "0 to 255 as 0 to 1": (
                "div_(127.5).sub_(1)",
                "div_(255)",
            ),
        },
    ),
}
