"""Wrong programs for ``tools.check_wiring``: file -> (tests that are asked, name -> (what is there once, the wrong)).

A file may be in several parts, each of which asks tests of its own. Those marked * were once made in the library, one
by one, and accepted by every test that there was.
"""

from __future__ import annotations

from tools.wrong_audits import AUDITS
from tools.wrong_datasets import LOADERS
from tools.wrong_evaluation import EVALUATION, REPORTS
from tools.wrong_finished import FINISHED
from tools.wrong_form import Programs
from tools.wrong_front import FRONT
from tools.wrong_generators import GENERATORS
from tools.wrong_images import IMAGES
from tools.wrong_kept import KEPT
from tools.wrong_lists import LISTS
from tools.wrong_measured import MEASURED
from tools.wrong_metrics import METRICS
from tools.wrong_pages import PAGES
from tools.wrong_predict import PREDICTED
from tools.wrong_preprocess import PREPROCESS
from tools.wrong_protocol import PROTOCOL
from tools.wrong_records import RECORDS
from tools.wrong_renderers import RENDERERS
from tools.wrong_reproduced import REPRODUCED
from tools.wrong_rivals import RIVALS
from tools.wrong_runs import RUNS
from tools.wrong_shared_parts import ARGUMENTS, PHASES, SHARED
from tools.wrong_small import SMALL
from tools.wrong_tables import TABLES
from tools.wrong_training import TRAINED
from tools.wrong_transductive import TRANSDUCTIVES
from tools.wrong_views import VIEWS

_CENTRE: Programs = {
    "ferdis/systems/ifgan.py": (
        ("tests/systems/test_ifgan_wiring.py", "tests/systems/test_ifgan_departures.py", PHASES, ARGUMENTS),
        {
            "* D's real and fake swapped": ("cgan_loss(real, fake), ", "cgan_loss(fake, real), "),
            "* sign of G's adversarial term": ("generator_cgan_loss(fake),", "generator_cgan_loss(-fake),"),
            "* average of another class": ("averages.pictures[labels]\n", "averages.pictures[labels.flip(0)]\n"),
            "* island loss and centres on the true average": ("= features[len(face) :]", "= features[: len(face)]"),
            "* Adam's betas never passed": (
                "lr=self.learning_rate, betas=self.betas, weight",
                "lr=self.learning_rate, weight",
            ),
            "* skip attention never applied": ('self.attend["skip"](skip) if self.skips', "skip if self.skips"),
            "* pair swapped in prediction": ("torch.cat([images, generated], 1)", "torch.cat([generated, images], 1)"),
            "generated face attached in D's step": ('batch["generated"].detach())', 'batch["generated"])'),
            "generated face detached for the classifier": (
                "generated if trains_generator else",
                "generated.detach() if trains_generator else",
            ),
            "features for the centres detached before the island loss": (
                "features, logits = modules.classifier(seen)",
                "features, logits = modules.classifier(seen); features = features.detach()",
            ),
            "true and generated swapped in Eq. 4": (
                "on_average, on_generated = logits",
                "on_generated, on_average = logits",
            ),
            "pair of two faces": (
                "torch.cat([torch.cat([face, face]), seen]",
                "torch.cat([torch.cat([face, average]), seen]",
            ),
            "average in a view of its own": (
                "take_views(averages, views, crop_size)",
                "take_views(averages, random_views(len(faces), image_size, crop_size, generator=random), crop_size)",
            ),
            "average in the centre view": ('if average_view == "input" else', 'if average_view == "centre" else'),
            "the generator's weights for pretraining kept": (
                "return fitted, heads +",
                "return [], heads +",
            ),
            "averages of extra faces too": ('{"target": number[:own], "all"', '{"target": number, "all"'),
            "averages of further faces with the target's": ('"extra": number[own:]}', '"extra": number}'),
            "attention start not passed": ("names_weight else 0, self.attention_start,", "names_weight else 0, 0.0,"),
            "the posterior kept from the decoder": (
                "drawn = self.draw(told)",
                "drawn = self.draw(torch.ones_like(told))",
            ),
            "logits in the place of probabilities": (
                "shares = told = names.float().softmax(1)",
                "shares = told = names.float()",
            ),
            "alpha not passed to the centres": ("classifier.width, self.island_alpha)", "classifier.width)"),
            "class weights not passed": (
                "class_weights=training.class_weights,\n                        trains",
                "class_weights=None,\n                        trains",
            ),
            "pretrained weights not loaded": ("weights=self.weights if pretrained else None", "weights=None"),
            "no schedule for the generator": (
                "weights, optimizer, schedule, after_step=move_centres",
                "weights, optimizer, after_step=move_centres",
            ),
            "classifier not in the joint optimiser": (
                '...] = ("generator", "classifier")',
                '...] = ("generator",)',
            ),
            "probe not in the joint optimiser": ('(*updated, "person_probe")', "updated"),
            "joint phase before the discriminator's": (
                'return [Stage("ifgan", modules, phases,',
                'return [Stage("ifgan", modules, phases[::-1],',
            ),
            "another seed for the batches": ("batches(self.batch_size, self.seed, ", "batches(self.batch_size, 0, "),
            "attention always on": (
                "channels, self.attention, self.skips",
                "channels, True, self.skips",
            ),
            "weights not initialised": ("for network in (new, discriminator):", "for network in (new,):"),
            "the reader initialised like a decoder": (
                "new = generator.draw if like_e else generator",
                "new = generator",
            ),
            "no gradient past the told class": (") + shares - shares.detach()", ").float()"),
            "probabilities in the place of the class": ("if self.hard:", "if False:"),
            "columns of classes kept": (", cast(nn.Linear, self.draw[0]).weight]", "]"),
            "D without instance norm": ("layers += [nn.InstanceNorm2d(after)] if level else []", "layers += []"),
            "l1 to the face": ("l1_loss(generated, average)", "l1_loss(generated, face)"),
            "decay stretched wrongly": (
                "self._scheduler(epochs, decay_epochs)",
                "self._scheduler(epochs, self.decay_epochs)",
            ),
            "face and average have views of their own": (
                "take_views(averages, views, crop_size) if",
                "take_views(averages, views.flip(0), crop_size) if",
            ),
            "the encoder's names are of other faces": (
                "softmax_loss(names[:0], names, labels,",
                "softmax_loss(names[:0], names, labels.flip(0),",
            ),
        },
    ),
    "ferdis/systems/class_means.py": (
        (
            "tests/systems/test_class_means.py",
            "tests/systems/test_ifgan_wiring.py",
            "tests/systems/test_ifgan_losses.py",
        ),
        {
            "* centre rate not on the cosine gradient": (
                "self.rate * (delta + gradient)",
                "self.rate * delta + gradient",
            ),
            "centres of each process alone": ("sums = reduce(member.T", "sums = (member.T"),
            "a new class starts at 0": (
                "> 0) & ~self.known",
                "> 0) & self.known",
            ),
            "delta without 1 in its denominator": (
                "(1 + counts[:, None]",
                "counts[:, None].clamp(min=1",
            ),
            "centres move away": (
                "self.values -= self.rate",
                "self.values += self.rate",
            ),
            "centres move at once": (
                "self.rate * (delta + gradient)",
                "delta + gradient",
            ),
            "alpha's term forgotten": (
                "(delta + gradient)",
                "delta",
            ),
            "all centres push": (
                "centres, self.known",
                "centres",
            ),
            "a centre pushes itself": (
                "= ~torch.eye(len(centres",
                "= torch.ones(len(centres), len(centres",
            ),
            "pairs once": (
                " 1) * pairs).sum()",
                " 1) * pairs.triu()).sum()",
            ),
            "cosines without 1": (
                "@ unit.T + 1) * pairs",
                "@ unit.T) * pairs",
            ),
            "an average of the whole set": (
                "part = rows[start : start",
                "part = np.arange(len(labels))[start : start",
            ),
            "classes without faces are black": (
                "(counts == 0).any()",
                "False",
            ),
            "the last chunk is lost": (
                "range(0, len(rows), chunk",
                "range(0, max(1, len(rows) - chunk + 1), chunk",
            ),
        },
    ),
    "ferdis/systems/relgan.py": (
        ("tests/systems/test_relgan_wiring.py", PHASES, ARGUMENTS),
        {
            "* truth in the source's view": (
                'source = take_views(to_unit_range(batch["source"]), own, crop_size)\n'
                "    target, truth = (take_views(to_unit_range(batch[name]), others, crop_size) for name in",
                'source = take_views(to_unit_range(batch["source"]), own, crop_size)\n'
                '    target, truth = (take_views(to_unit_range(batch[name]), {"truth": own}.get(name, others), '
                "crop_size) for name in",
            ),
            "* lambda3 and lambda4 swapped": (
                "    expression_weight: float = 50.0\n    identity_weight: float = 30.0",
                "    expression_weight: float = 30.0\n    identity_weight: float = 50.0",
            ),
            "* lambdas of the class terms swapped in use": (
                'weights = {term: getattr(self, f"{term}_weight") for term in terms}',
                'weights = {term: getattr(self, f"{term}_weight") for term in terms}\n'
                '        if "identity" in weights:\n'
                '            weights["identity"], weights["expression"] = weights["expression"], weights["identity"]',
            ),
            "codes in the other order in training": (
                'torch.cat([code, modules.identity_encoder(batch["target"])], 1)',
                'torch.cat([modules.identity_encoder(batch["target"]), code], 1)',
            ),
            "expression from the target": (
                'code = modules.expression_encoder(batch["seen"])',
                'code = modules.expression_encoder(batch["target"])',
            ),
            "D learns the target's expression for the source": (
                'torch.cat([batch["expression"], batch["target_expression"]])',
                'torch.cat([batch["target_expression"], batch["expression"]])',
            ),
            "D's people swapped": (
                'torch.cat([batch["source_identity"], batch["identity"]])',
                'torch.cat([batch["identity"], batch["source_identity"]])',
            ),
            "generated face attached in D's step": ('batch["generated"].detach())', 'batch["generated"])'),
            "G is to show the target's expression": (
                'expression, identity = batch["expression"], batch["identity"]',
                'expression, identity = batch["target_expression"], batch["identity"]',
            ),
            "G is to show the source's person": (
                'expression, identity = batch["expression"], batch["identity"]',
                'expression, identity = batch["expression"], batch["source_identity"]',
            ),
            "pixel term where there is no truth": (
                'batch["truth"], batch["known"], reduction)',
                'batch["truth"], torch.ones_like(batch["known"]), reduction)',
            ),
            "truth of a self-transfer in no view": (
                'torch.where(batch["own"][:, None, None, None], target, truth)',
                "truth",
            ),
            "pixel reduction not passed": ("reduction=self.pixel_reduction, cycle", "cycle"),
            "cycle with the source's own code": (
                'torch.cat([expression(seen), identity(batch["source"])], 1)',
                'torch.cat([expression(batch["source"]), identity(batch["source"])], 1)',
            ),
            "cycle with the target's own identity": (
                'torch.cat([expression(batch["target"]), identity(seen)], 1)',
                'torch.cat([expression(batch["target"]), identity(batch["target"])], 1)',
            ),
            "statistics of generated faces kept": (
                "with frozen_statistics(expression, identity, modules.decoder):",
                "with frozen_statistics():",
            ),
            "kept codes of another view": (
                'self.codes[batch["row"] * PATCH_VIEWS + batch["view"]]',
                'self.codes[batch["row"] * PATCH_VIEWS]',
            ),
            "tuned encoder starts at random": (
                "partial(_copy, self.modules_",
                "partial(lambda *_: None, self.modules_",
            ),
            "transfers read the tuned encoder": (
                "self.decode(self.expression_code(references)",
                "self.decode(self.transform(references)",
            ),
            "prediction reads the frozen encoder": (
                'self.modules_["recognition_encoder" if self.finetune_encoder else "expression_encoder"]',
                'self.modules_["expression_encoder"]',
            ),
            "encoder not frozen in the second stage": (
                ' prepare, ("expression_encoder",), start',
                " prepare, (), start",
            ),
            "MLP at the GAN's rate": ("lr=self.mlp_learning_rate", "lr=self.learning_rate"),
            "identity encoder not in the generator's optimiser": (
                'Phase("generator", tuple(modules), generator_terms',
                'Phase("generator", ("expression_encoder", "decoder"), generator_terms',
            ),
            "D as often as G": ("optimizer, schedule, every)", "optimizer, schedule)"),
            "near_optimal ignored": ("near_optimal=self.near_optimal,", "near_optimal=0.9,"),
            "pretraining skipped": ("if self.pretrain is not None:\n            disc", "if False:\n            disc"),
            "pretrained D not used": (
                "self._pretrain().with_new_heads(discriminator)",
                "self._pretrain() and discriminator",
            ),
            "pretrained heads kept": (
                "self.expression_head, self.identity_head = fresh.expression_head, fresh.identity_head",
                "self.expression_head = fresh.expression_head",
            ),
            "transfer as a graph in the other order": (
                "self._centre(references))\n",
                "self._centre(faces))\n",
            ),
            "dropout ignored": ("nn.Dropout(self.dropout)", "nn.Dropout(0.2)"),
            "discriminator seeded by what came before": (
                "torch.manual_seed(self.seed)\n            discriminator",
                "torch.manual_seed(0)\n            discriminator",
            ),
            "pixel growth ignored": ("self.pixel_growth, epochs, grown", "1.0, epochs, grown"),
            "class weights not in the second stage": (
                "class_weights=training.class_weights),\n            {",
                "class_weights=None),\n            {",
            ),
        },
    ),
}

PROGRAMS = (
    _CENTRE,
    GENERATORS,
    RIVALS,
    SHARED,
    PROTOCOL,
    AUDITS,
    METRICS,
    EVALUATION,
    REPORTS,
    LOADERS,
    LISTS,
    RECORDS,
    RENDERERS,
    TRAINED,
    MEASURED,
    PREDICTED,
    PREPROCESS,
    VIEWS,
    KEPT,
    FRONT,
    PAGES,
    IMAGES,
    RUNS,
    FINISHED,
    REPRODUCED,
    TRANSDUCTIVES,
    TABLES,
    SMALL,
)
