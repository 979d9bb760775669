"""The shape of the house, held by reading the source: who imports whom, and what no file may contain."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ferdis"
FILES = sorted(PACKAGE.rglob("*.py"))

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60  # of code: the docstring does not count

# Part of the package -> the parts it may import. A part is a module or sub-package directly under ferdis/.
FOUNDATION = {"faces", "errors"}
LEARNING = FOUNDATION | {"nn", "losses", "preprocess", "data", "history", "checkpoints", "phases"}
LEARNING |= {"seeding", "distributed"}
JUDGING = FOUNDATION | {"protocol", "fingerprints", "audit", "metrics"}
RUNNING = JUDGING | {"figures", "runfolder", "jobs", "estimate", "peeking", "progress", "report"}
RUNNING |= {"backends", "distributed"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "faces": {"errors"},
    # datasets -> preprocess -> faces
    "preprocess": FOUNDATION,
    "datasets": FOUNDATION | {"preprocess", "fingerprints"},
    # systems -> training -> {losses, nn, preprocess} -> faces
    "nn": FOUNDATION,
    "losses": FOUNDATION,
    "seeding": set(),
    "distributed": set(),
    "history": set(),
    "checkpoints": set(),
    "data": FOUNDATION | {"distributed", "seeding"},
    "phases": FOUNDATION | {"data", "history"},
    "training": LEARNING,
    "systems": LEARNING | {"training"},
    "au_estimator": LEARNING | {"training", "metrics", "systems"},
    "judges": LEARNING | {"training", "metrics", "systems"},
    "embedders": LEARNING,
    # runner -> {protocol, audit, metrics, figures} -> faces
    "metrics": FOUNDATION,
    "folds": FOUNDATION,
    "joined": FOUNDATION,
    "protocol": FOUNDATION | {"folds", "joined"},
    "fingerprints": FOUNDATION | {"protocol"},
    "audit": FOUNDATION | {"protocol", "fingerprints"},
    "figures": FOUNDATION | {"metrics"},
    "runfolder": FOUNDATION,
    "estimate": FOUNDATION | {"protocol"},
    "progress": {"estimate"},
    "jobs": JUDGING | {"runfolder"},
    "backends": {"runfolder", "jobs", "ray_backend"},
    "ray_backend": {"runfolder", "jobs", "backends"},
    "peeking": JUDGING | {"runfolder", "jobs", "backends", "progress", "figures"},
    "report": JUDGING | {"figures", "runfolder", "peeking"},
    "tuned": FOUNDATION | {"protocol", "audit"},
    "runner": RUNNING | {"tuned"},
    # sweep -> {runner's parts, studies, space, tuned}
    "space": set(),
    "studies": {"runfolder", "seeding"},
    "sweep_figures": {"figures"},
    "sweep": RUNNING | {"space", "studies", "tuned", "sweep_figures", "history", "seeding", "distributed"},
    "codes": FOUNDATION | {"metrics"},
    "transfer": FOUNDATION | {"codes", "judges", "systems"},
    "generated_set": FOUNDATION | {"augmentation", "datasets"},
    "augmentation": LEARNING | {"training", "metrics", "systems", "judges", "codes", "au_estimator"},
    "models": FOUNDATION | {"datasets", "folds", "metrics", "runfolder", "systems"},
    "export": FOUNDATION | {"datasets", "folds", "metrics", "models", "preprocess", "runfolder", "systems"},
    "predict": FOUNDATION | {"datasets", "export", "models", "preprocess", "runfolder"},
    "probes": FOUNDATION | {"metrics", "protocol"},
}
# The renderer's measuring instruments train a yardstick of their own, which is no part of any system.
OWN_TRAINING = ("training.py", "datasets/synthetic/checks/")
# The faces of the library look everything up; nothing else may.
ROOTS = {"__init__", "__main__", "cli", "demo", "disentangle"}


def part_of(path: Path) -> str:
    """`ferdis/systems/ifgan.py` -> `systems`; `ferdis/faces.py` -> `faces`."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def module_of(path: Path) -> list[str]:
    """Where relative imports of `path` start: `ferdis/systems/ifgan.py` -> [ferdis, systems]."""
    return ["ferdis", *path.relative_to(PACKAGE).parent.parts]


def imported_parts(source: str, package: list[str]) -> set[str]:
    """Parts of ferdis that the source imports, at any depth of nesting, relative imports resolved."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            names += [f"{base}.{alias.name}" for alias in node.names]
    inside = [name.split(".") for name in names if name.split(".")[0] == "ferdis"]
    return {name[1] if len(name) > 1 else "__init__" for name in inside}


def wrong_imports(part: str, source: str, package: list[str]) -> set[str]:
    if part in ROOTS:
        return set()
    return imported_parts(source, package) - MAY_IMPORT[part] - {part}


def called_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Dotted names of what is called, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    total = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        total -= first.end_lineno - first.lineno + 1
    return total


def only_stores(function: ast.FunctionDef) -> bool:
    """Whether this is an estimator's constructor: one assignment a parameter, and nothing else."""
    assignments = [node for node in function.body if isinstance(node, ast.Assign)]
    return function.name == "__init__" and len(assignments) == len(function.body)


def undocumented(tree: ast.Module) -> Iterator[str]:
    """Public modules, classes, functions and methods without a docstring; setters are exempt."""
    if ast.get_docstring(tree) is None:
        yield "the module"
    stack: list[tuple[str, ast.AST]] = [("", tree)]
    while stack:
        prefix, parent = stack.pop()
        for node in ast.iter_child_nodes(parent):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if node.name.startswith("_"):
                continue
            decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
            # torch's forward is documented by its class, which states the shapes.
            exempt = decorators & {"overload", f"{node.name}.setter"} or (node.name == "forward" and prefix)
            if ast.get_docstring(node) is None and not exempt:
                yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                stack.append((f"{prefix}{node.name}.", node))


@pytest.fixture(params=FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_every_part_has_a_place():
    unknown = {part_of(file) for file in FILES} - set(MAY_IMPORT) - ROOTS
    assert not unknown, f"say in MAY_IMPORT what {sorted(unknown)} may import"


def test_imports_point_one_way(path: Path):
    wrong = wrong_imports(part_of(path), path.read_text("utf-8"), module_of(path))
    assert not wrong, f"{path.name} imports {sorted(wrong)}"


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("runner", "from ferdis.systems.ifgan import IFGAN"),
        ("figures", "import ferdis.datasets as d"),
        ("runner", "def late():\n    from .systems import get"),
        ("faces", "from ferdis import training"),
        ("systems", "from ferdis.protocol import SubjectKFold"),
        ("datasets", "from ferdis import IFGAN"),
    ],
)
def test_a_wrong_import_is_seen(part: str, source: str):
    assert wrong_imports(part, source, ["ferdis"])


def test_only_training_steps(path: Path):
    if path.relative_to(PACKAGE).as_posix().startswith(OWN_TRAINING):
        return
    calls = [
        f"line {line}" for name, line in called_names(ast.parse(path.read_text("utf-8"))) if name.endswith(".backward")
    ]
    assert not calls, f"{path.name} calls backward at {calls}: that is training.py's alone"


def test_nothing_is_pickled(path: Path):
    tree = ast.parse(path.read_text("utf-8"))
    modules = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    modules |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not modules & {"pickle", "cloudpickle", "dill", "shelve", "marshal"}
    forbidden = {
        "torch.load",
        "torch.save",
        "joblib.load",
        "joblib.dump",
        "pd.read_pickle",
        "pandas.read_pickle",
    }
    assert not [name for name, _ in called_names(tree) if name in forbidden or name.endswith(".to_pickle")]
    allow = [node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "allow_pickle"]
    assert all(isinstance(node.value, ast.Constant) and node.value.value is False for node in allow)


def test_no_assert_and_no_stub(path: Path):
    tree = ast.parse(path.read_text("utf-8"))
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)], "raise ValueError instead"
    raised = [ast.unparse(node.exc) for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc]
    assert not [name for name in raised if name.startswith("NotImplementedError")]
    words = path.read_text("utf-8").split()
    assert not {"TODO", "FIXME", "XXX", "TODO:", "FIXME:"} & set(words)


def test_public_names_are_documented(path: Path):
    missing = list(undocumented(ast.parse(path.read_text("utf-8"))))
    assert not missing, f"{path.name}: no docstring on {missing}"


def test_sizes(path: Path):
    source = path.read_text("utf-8")
    lines = source.count("\n")
    assert lines <= MAX_FILE_LINES, f"{path.name} has {lines} lines; split it at a seam of its own"
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    lengths = {node.name: code_lines(node) for node in functions if not only_stores(node)}
    long = {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES}
    assert not long, f"{path.name}: longer than {MAX_FUNCTION_LINES} lines of code: {long}"


def test_future_annotations(path: Path):
    tree = ast.parse(path.read_text("utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    annotates = any(isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AnnAssign) for node in ast.walk(tree))
    assert imports or not annotates, f"{path.name} lacks `from __future__ import annotations`"
