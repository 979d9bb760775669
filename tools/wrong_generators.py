"""Wrong programs in the systems that draw faces: a part of ``tools/wrong_programs.py``, in the same form."""

from __future__ import annotations

from tools.wrong_form import Programs
from tools.wrong_shared_parts import ARGUMENTS, PHASES

GENERATORS: Programs = {
    "ferdis/systems/eggan.py": (
        ("tests/systems/test_eggan_wiring.py", PHASES, ARGUMENTS),
        {
            "* encoder not in the generator's optimiser": (
                '("encoder", "generator"), generator',
                '("generator",), generator',
            ),
            "* Eq. 4 on the reconstruction": (
                "identity_loss(modules.identifier(edited)",
                "identity_loss(modules.identifier(reconstructed)",
            ),
            "* r1-like penalty on interpolates": ('if adversarial == "wgan-gp":\n        at', "if True:\n        at"),
            "* wgan-gp penalty on real": ('if adversarial == "wgan-gp":\n        at', "if False:\n        at"),
            "* critic_steps ignored": (", adam, rate, every=self.critic_steps)", ", adam, rate)"),
            "* c_exp_on='both' with wrong AUs": (
                'classifier(batch["edited"].detach()), batch["target"])',
                'classifier(batch["edited"].detach()), batch["action_units"])',
            ),
            "* ssim_weight ignored": ("ssim_weight=self.ssim_weight, layer", "ssim_weight=1.0, layer"),
            "* uniform prior": ("torch.randn_like(codes)", "torch.rand_like(codes)"),
            "* no instance norm in G": ("y = self.norms[step](y)", "y = y"),
            "prior in the place of codes": (
                "latent_loss(modules.latent(prior), modules.latent(codes))",
                "latent_loss(modules.latent(codes), modules.latent(prior))",
            ),
            "codes attached in D_z's step": ('codes = batch["code"].detach()', 'codes = batch["code"]'),
            "critic's real and fake swapped": (
                "critic_loss(modules.critic(real), modules.critic(fake)",
                "critic_loss(modules.critic(fake), modules.critic(real)",
            ),
            "critic on the reconstruction": (
                'real, fake = batch["image"], batch["edited"].detach()',
                'real, fake = batch["image"], batch["reconstructed"].detach()',
            ),
            "one interpolation for all images": (
                "torch.rand(len(real), 1, 1, 1, device=real.device)",
                "torch.rand((), device=real.device)",
            ),
            "edited and reconstructed swapped": (
                "torch.cat([targets, action_units])).chunk(2)",
                "torch.cat([action_units, targets])).chunk(2)",
            ),
            "Eq. 3 in training mode on edited images": (
                "with eval_mode(modules.units) as classifier:\n        action_units",
                "classifier = modules.units\n    if True:\n        action_units",
            ),
            "Eq. 3 with the faces' own AUs": (
                'action_unit_loss(classifier(edited), batch["target"])',
                'action_unit_loss(classifier(edited), batch["action_units"])',
            ),
            "edited attached in C_exp's step": (
                'classifier(batch["edited"].detach())',
                'classifier(batch["edited"])',
            ),
            "Eq. 6 on the edited image": (
                "reconstruction_loss(reconstructed, image",
                "reconstruction_loss(edited, image",
            ),
            "Eq. 5's source swapped": ("source, drawn, again = maps", "drawn, source, again = maps"),
            "classifiers at the main rate": ("lr=self.classifier_learning_rate, fused", "lr=self.learning_rate, fused"),
            "no decay": ("rate = linear_decay_second_half(epochs)", "rate = None"),
            "identity not frozen": ("edit_and_reconstruct, frozen=frozen)", "edit_and_reconstruct)"),
            "identity trained with the rest": ("stages.insert(0,", "stages.append("),
            "AUs not divided by 5": ("action_units, 0) / AU_MAXIMUM", "action_units, 0)"),
            "unknown AUs not told": ("known.to(action_units.dtype)], 1", "torch.ones_like(action_units)], 1"),
            "penalty's weight on the critic": (
                '{"critic": 1.0, "penalty": self.penalty_weight}',
                '{"critic": self.penalty_weight, "penalty": 1.0}',
            ),
            "edit of the wrong rows": (
                "codes = encoder(images).repeat_interleave(wanted.shape[1], 0)",
                "codes = encoder(images).repeat(wanted.shape[1], 1)",
            ),
            "nothing mirrored": ("device=images.device) < 0.5", "device=images.device) < 0"),
            "sampled codes uniform": (
                "codes = torch.randn(n, self.code_width",
                "codes = torch.rand(n, self.code_width",
            ),
            "interpolation from the target": (
                "interpolated_action_units(source, target, alpha)",
                "interpolated_action_units(target, source, alpha)",
            ),
        },
    ),
    "ferdis/systems/decgan.py": (
        ("tests/systems/test_decgan_wiring.py", PHASES, ARGUMENTS),
        {
            "* cycle weight 1": ("cycle_weight: float = 10.0", "cycle_weight: float = 1.0"),
            "* D 64-128-256-256": (
                "discriminator_channels: Sequence[int] = (64, 128, 256, 512)",
                "discriminator_channels: Sequence[int] = (64, 128, 256, 256)",
            ),
            "* association by expression": (
                'association_loss(walk, batch["people"])',
                'association_loss(walk, batch["expressions"][: len(walk)])',
            ),
            "* pool's old faces with new labels": (
                'modules.discriminator(*modules.image_pool.exchange(batch["generated"].detach(), label))',
                'modules.discriminator(modules.image_pool.exchange(batch["generated"].detach(), label)[0], label)',
            ),
            "* category order swapped": (
                "torch.cat([generated, restored])",
                "torch.cat([restored, generated])",
            ),
            "own label for the generated face": (
                "label, own = labels_of(encoded",
                "own, label = labels_of(encoded",
            ),
            "restored by G1": ("return modules.restorer(", "return modules.generator("),
            "restored with the reference's label": (
                "restore(modules, generated, own)",
                "restore(modules, generated, label)",
            ),
            "D's label attached": (
                'modules.discriminator(batch["generated"], batch["label"].detach())',
                'modules.discriminator(batch["generated"], batch["label"])',
            ),
            "D's real pair is the face": (
                'real = modules.discriminator(batch["reference"], label)',
                'real = modules.discriminator(batch["face"], label)',
            ),
            "E2 not held where it judges": (
                "parameter.detach() for name, parameter in encoder",
                "parameter for name, parameter in encoder",
            ),
            "generated faces in E2's statistics": (
                "with eval_mode(encoder):",
                "if True:",
            ),
            "truth in the reference's view": (
                'own, size) for name in ("target", "truth"))',
                '{"truth": others}.get(name, own), size) for name in ("target", "truth"))',
            ),
            "truth's expression is the face's": (
                'batch["expression"].where(known, UNKNOWN)',
                'batch["target_expression"].where(known, UNKNOWN)',
            ),
            "walk of the faces alone": (
                'here, there = batch["representation"], batch["reference_representation"]',
                'here, there = batch["representation"], batch["representation"]',
            ),
            "E2 alone for one epoch": ("alone, reading, first, sampler", "alone, reading, 1, sampler"),
            "E2's rate falls with the other stage's": (
                "schedule=linear_decay_second_half(first)",
                "schedule=linear_decay_second_half(epochs)",
            ),
            "E2's stage not stretched": (
                "round(self.expression_epochs * epochs / self.epochs)",
                "round(self.expression_epochs)",
            ),
            "restorer not in the optimiser": (
                'Phase("generator", tuple(self.modules_), generate',
                'Phase("generator", tuple(self.modules_)[:3], generate',
            ),
            "reading D learns the other's labels": (
                "F.one_hot(expressions, encoder",
                "F.one_hot(swapped(expressions), encoder",
            ),
            "reading D: each label is its own": ("(label, swapped(label)))", "(label, label))"),
            "a wrong label's face is the face": (
                'modules.discriminator(batch["reference"], batch["own_label"]',
                'modules.discriminator(batch["face"], batch["own_label"]',
            ),
            "equal expressions are wrong too": (
                'differ = batch["expressions"][:n] != batch',
                'differ = batch["expressions"][:n] == batch',
            ),
            "the reference's label for itself": ("modules.generator(maps, own)}", "modules.generator(maps, label)}"),
            "E2 rereads without noise": (
                "noisy(torch.cat([generated, restored]), noise, random)",
                "noisy(torch.cat([generated, restored]), 0.0, random)",
            ),
            "D's reading moves E2's statistics": ("with torch.no_grad(), eval_mode(encoder):", "with torch.no_grad():"),
            "a change is half as large": ("(face + 2 * drawn)", "(face + drawn)"),
            "probabilities in use": ("self.condition, sure=True)", "self.condition)"),
            "pool of no use": ("ImagePool(self.library_size,", "ImagePool(0,"),
            "truths ignored": ("self.ground_truth, self.truths,", "self.ground_truth, 8,"),
            "no rotation": ("augment, max_degrees=self.max_degrees,", "augment, max_degrees=0.0,"),
            "shift and scale swapped": ("scale, shift = self.style", "shift, scale = self.style"),
            "generators share their weights": (
                '"generator": generator(),\n            "restorer": generator(),',
                '"generator": (one := generator()),\n            "restorer": one,',
            ),
        },
    ),
}
