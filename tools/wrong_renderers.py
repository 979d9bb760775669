"""Wrong programs in the sets of drawn people: a part of ``tools/wrong_programs.py``, in the same form."""

from __future__ import annotations

from tools.wrong_form import Programs

DRAWN = "tests/datasets/test_synthetic.py"
DRAWN_PARTS = "tests/datasets/test_synthetic_parts.py"
SCANNED = "tests/datasets/test_facekit.py"
SCANNED_PARTS = "tests/datasets/test_facekit_parts.py"
FRAMING = "tests/datasets/test_framing.py"

RENDERERS: Programs = {
    "ferdis/datasets/rendered.py": (
        (DRAWN_PARTS, DRAWN, SCANNED, FRAMING),
        {
            "left and right halves swapped when redrawn": (
                "au_left=(mean + half).astype(np.float32), au_right=(mean - half)",
                "au_left=(mean - half).astype(np.float32), au_right=(mean + half)",
            ),
            "asymmetry counted twice": (
                "table[list(ASYMMETRY_COLUMNS)].to_numpy(np.float64) / 2",
                "table[list(ASYMMETRY_COLUMNS)].to_numpy(np.float64)",
            ),
            "one scene for all images of a person": (
                "np.random.default_rng([*key, 1]), np.random.default_rng([*key, 2])",
                "np.random.default_rng([*key, 1]), np.random.default_rng([*key[:2], 2])",
            ),
            "the scene tells the expression": (
                "np.random.default_rng([*key, 1]), np.random.default_rng([*key, 2])",
                "np.random.default_rng([*key, 1]), np.random.default_rng([*key[:3], 2])",
            ),
            "the style of another seed": (
                "style = person_style(request.seed, person)",
                "style = person_style(0, person)",
            ),
            "every request begins with the first person": (
                "range(request.first_person, request.first_person + request.people)",
                "range(request.people)",
            ),
            "a linear onset": ("share = np.float32(time * time * (3 - 2 * time))", "share = np.float32(time)"),
            "the peak is not reached": (
                "time = (frame - 1) / (request.frames - 1)",
                "time = (frame - 1) / request.frames",
            ),
            "the second frame is neutral": ('expression="neutral" if frame == 1', 'expression="neutral" if frame <= 2'),
            "everybody rests alike": (
                'rest = self.sample_expression("neutral", still, style=style,',
                'rest = self.sample_expression("neutral", still, style=None,',
            ),
            "set units keep the asymmetry": ('        table[[*ASYMMETRY_COLUMNS, "asymmetry"]] = 0.0\n', ""),
            "intensity of units as the table has it": (
                'table["intensity"] = wanted.max(axis=1) / AU_MAXIMUM',
                'table["intensity"] = wanted.max(axis=1)',
            ),
            "a counterpart keeps its own label": (
                '"asymmetry", "expression", "intensity"):',
                '"asymmetry", "intensity"):',
            ),
            "a counterpart keeps its own asymmetry": (
                'for name in (*AU_COLUMNS, *ASYMMETRY_COLUMNS, "asymmetry", "expression"',
                'for name in (*AU_COLUMNS, "expression"',
            ),
            "the strongest unit names the expression": (
                "float(units @ pattern / max(np.linalg.norm(units) * np.linalg.norm(pattern), 1e-9))",
                "float(units @ pattern)",
            ),
            "seeds share their people": ("who[0].to_numpy(np.int64), person", "0 * who[0].to_numpy(np.int64), person"),
            "landmarks of a 128-pixel image": (
                "points = self.landmarks(recipes, size, model)",
                "points = self.landmarks(recipes, 128, model)",
            ),
            "eight without contempt": ("8: EXPRESSIONS}", "8: SEVEN_EXPRESSIONS}"),
            "an intensity asked for ignored": (
                "if request.intensity is None\n                else request.intensity",
                "if request.intensity is not None\n                else 1.0",
            ),
        },
    ),
    "ferdis/datasets/framing.py": (
        (FRAMING,),
        {
            "* across the other way": (
                "np.stack([-along[..., 1], along[..., 0]], axis=-1)",
                "np.stack([along[..., 1], -along[..., 0]], axis=-1)",
            ),
            "* along and across swapped": (
                "habit[:, :1] * along + habit[:, 1:] * across",
                "habit[:, 1:] * along + habit[:, :1] * across",
            ),
            "* the given scenes are moved": (
                "out = scenes.astype(np.float64)",
                "out = scenes.astype(np.float64, copy=False)",
            ),
        },
    ),
    "ferdis/datasets/synthetic/expression.py": (
        (DRAWN_PARTS, DRAWN),
        {
            "surprise with lowered brows": (
                "{1: 3.5, 2: 4.0, 5: 2.0, 25: 3.5, 26: 3.5}",
                "{2: 4.0, 4: 3.5, 5: 2.0, 25: 3.5, 26: 3.5}",
            ),
            "happiness without a smile": ("{12: 4.0, 25: 3.5, 6: 1.5}", "{10: 4.0, 25: 3.5, 6: 1.5}"),
            "fear without lips pulled wide": (
                "{1: 4.0, 2: 3.0, 4: 3.0, 5: 4.0, 20: 4.0, 25: 3.0}",
                "{1: 4.0, 2: 3.0, 4: 3.0, 5: 4.0, 25: 3.0}",
            ),
            "styles of resting face and gain swapped": (
                "values = values * style[: apex.size] + relaxed * style[apex.size :]",
                "values = values * style[apex.size :] + relaxed * style[: apex.size]",
            ),
            "everybody rests alike": ("relaxed * style[apex.size :]", "0 * relaxed * style[apex.size :]"),
            "the stronger foe weakened": (
                "weaker = i if values[i] < values[j] else j",
                "weaker = i if values[i] > values[j] else j",
            ),
            "contempt on both sides": (
                "left, right = _one_sided(left, right, bool(rng.integers(0, 2)))",
                "rng.integers(0, 2)",
            ),
            "contempt on the right alone": ("bool(rng.integers(0, 2))", "bool(rng.integers(0, 2) * 0)"),
            "easy and hard swapped": (
                '_INTENSITY = {"easy": (1.0, 0.06), "normal": (0.8, 0.2), "hard": (0.6, 0.24)}',
                '_INTENSITY = {"easy": (0.6, 0.24), "normal": (0.8, 0.2), "hard": (1.0, 0.06)}',
            ),
            "an intensity given ignored": ("share = drawn if intensity is None else float(intensity)", "share = drawn"),
            "given intensities save a draw": (
                "    drawn = sample_intensity(rng, difficulty=difficulty)\n    share = drawn if",
                "    share = sample_intensity(rng, difficulty=difficulty) if",
            ),
            "the style of the first person": ("default_rng([7002, seed, person])", "default_rng([7002, seed, 0])"),
            "the style of any seed": ("default_rng([7002, seed, person])", "default_rng([7002, person])"),
            "staring people blink": ("if apex[ACTION_UNITS.index(5)] > 0:", "if apex[ACTION_UNITS.index(4)] > 0:"),
            "intensities not clipped": ("np.clip(values, 0.0, 5.0)", "np.clip(values, 0.0, 6.0)"),
        },
    ),
    "ferdis/datasets/synthetic/identity.py": (
        (DRAWN_PARTS, DRAWN),
        {},
    ),
    "ferdis/datasets/synthetic/lazy.py": (
        (DRAWN_PARTS, DRAWN),
        {},
    ),
    "ferdis/datasets/synthetic/camera.py": (
        (DRAWN_PARTS, DRAWN, FRAMING),
        {
            "half a pixel off": (
                "pixels = torch.arange(size) + 0.5 - size / 2",
                "pixels = torch.arange(size) - size / 2",
            ),
            "landmarks half a pixel off": (
                "u = (turned[..., 0:1] + scene.shift_x) * scale + size / 2",
                "u = (turned[..., 0:1] + scene.shift_x) * scale + (size - 1) / 2",
            ),
            "landmarks not shifted down": (
                "v = (turned[..., 1:2] - FRAME_CENTRE_Y + scene.shift_y)",
                "v = (turned[..., 1:2] - FRAME_CENTRE_Y)",
            ),
            "yaw the other way": (
                "about_y = [yaw.cos(), zero, yaw.sin(), zero, one, zero, -yaw.sin(), zero, yaw.cos()]",
                "about_y = [yaw.cos(), zero, -yaw.sin(), zero, one, zero, yaw.sin(), zero, yaw.cos()]",
            ),
            "pitch the other way": (
                "zero, pitch.cos(), pitch.sin(), zero, -pitch.sin(), pitch.cos()]",
                "zero, pitch.cos(), -pitch.sin(), zero, pitch.sin(), pitch.cos()]",
            ),
            "roll before yaw": ("return z @ y @ x", "return y @ z @ x"),
            "*blur reaches four pixels at any size": ("max(4, math.ceil(image.shape[-1] / 32))", "4"),
            "blur not scaled with the size": ("_blur(image, scene.blur * size / 128)", "_blur(image, scene.blur)"),
            "one noise for all images": (
                "_sensor_noise(int(seed), size) for seed in seeds",
                "_sensor_noise(int(seeds[0]), size) for seed in seeds",
            ),
            "blue and red swapped": (
                ".permute(0, 2, 3, 1).contiguous().numpy()",
                ".permute(0, 2, 3, 1).flip(-1).contiguous().numpy()",
            ),
        },
    ),
    "ferdis/datasets/synthetic/geometry.py": (
        (DRAWN_PARTS, DRAWN),
        {
            "halves swapped": ("torch.stack((au_right, au_left), dim=1)", "torch.stack((au_left, au_right), dim=1)"),
            "corners drawn up": ("- 1.15 * au[12] + 0.85 * au[15]", "- 1.15 * au[12] - 0.85 * au[15]"),
            "inner and outer brow swapped": ("rest - 0.02 - 1.05 * au[1]", "rest - 0.02 - 1.05 * au[2]"),
            "lids opened by the cheek": ("0.23 * au[7] - 0.20 * au[6]", "0.23 * au[7] + 0.20 * au[6]"),
            "the jaw stays": ("self.jaw_drop = 2.1 * mid[26]", "self.jaw_drop = 2.1 * mid[25]"),
            "lips pulled wide by the dimple": ("+ 0.55 * au[20] - 0.05 * au[14]", "+ 0.55 * au[14] - 0.05 * au[20]"),
        },
    ),
    "ferdis/datasets/facekit/geometry.py": (
        (SCANNED_PARTS, SCANNED),
        {
            "lids and brows swapped": (
                '2: {"browOuterUp": 1.3, "browInnerUp": 0.15}',
                '2: {"browInnerUp": 1.3, "browOuterUp": 0.15}',
            ),
            "lips pulled wide for a smile": (
                '12: {"mouthSmile": 1.0, "cheekSquint": 0.15}',
                '12: {"mouthStretch": 1.0, "cheekSquint": 0.15}',
            ),
            "halves in blocks": ("both = torch.stack(halves, 2).flatten(1)", "both = torch.cat(halves, 1)"),
            "halves swapped": (
                "for au in (au_left, au_right)]\n    middle",
                "for au in (au_right, au_left)]\n    middle",
            ),
            "landmarks half a pixel off": ("* pixels + size / 2\n    down", "* pixels + (size - 1) / 2\n    down"),
            "nearer is smaller": (
                "(distance[:, None] - (points[..., 2] - FACE_PLANE))",
                "(distance[:, None] + (points[..., 2] - FACE_PLANE))",
            ),
            "resting face not added": (
                "weights = torch.cat((both, centre), 1) + rest",
                "weights = torch.cat((both, centre), 1) + 0 * rest",
            ),
        },
    ),
    "ferdis/datasets/facekit/expression.py": (
        (SCANNED_PARTS, SCANNED),
        {
            "all variants alike often": (
                "weights = np.array([weight for weight, _ in variants])",
                "weights = np.array([1.0 for weight, _ in variants])",
            ),
            "no unit stays away": (">= _DROPPED[difficulty]", ">= 0"),
            "hard units stay, easy ones go": (
                '"easy": 0.0, "normal": 0.07, "hard": 0.12',
                '"easy": 0.12, "normal": 0.07, "hard": 0.0',
            ),
            "rare variants are easy": ("variant[0] >= least", "variant[0] >= 0"),
            "easy alone has rare variants": ("_RAREST[difficulty] * max", "(0.5 - _RAREST[difficulty]) * max"),
            "whole patterns may go": ("if len(kept) >= _FRAMES_ONLY * len(units):", "if len(kept) >= 0:"),
        },
    ),
    "ferdis/datasets/facekit/identity.py": (
        (SCANNED_PARTS, SCANNED),
        {
            "populations of all seeds alike": (
                "default_rng([7101, seed, int(index)])",
                "default_rng([7101, int(index)])",
            ),
            "ancestries of skin in another order": (
                "((0.5, 1.0), (0.12, 0.5), (0.28, 0.78), (0.0, 0.38))",
                "((0.5, 1.0), (0.28, 0.78), (0.12, 0.5), (0.0, 0.38))",
            ),
        },
    ),
    "ferdis/datasets/facekit/lazy.py": (
        (SCANNED,),
        {},
    ),
    "ferdis/datasets/facekit/posed.py": (
        (SCANNED_PARTS, SCANNED, FRAMING),
        {
            "eyes swapped": (
                "_FIVE = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47)",
                "_FIVE = ((42, 43, 44, 45, 46, 47), (36, 37, 38, 39, 40, 41)",
            ),
            "an eye is its outer corner": ("(42, 43, 44, 45, 46, 47), (30,)", "(42,), (30,)"),
        },
    ),
    "ferdis/datasets/facekit/folds.py": (
        (SCANNED_PARTS,),
        {
            "folds of the halves swapped": (
                "for au in (au_left, au_right)]\n    return torch.cat(halves, 1)",
                "for au in (au_right, au_left)]\n    return torch.cat(halves, 1)",
            ),
            "ageless folds": ("* depth + wrinkles * aged.to(au)", "* depth"),
        },
    ),
}
