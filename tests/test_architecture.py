"""The shape of the house, held by reading the source: who imports whom, and what no file may contain."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ferdis"
FILES = sorted(PACKAGE.rglob("*.py"))

MAX_FILE_LINES = 500
MAX_PAPER_LINES = 800  # one paper, one readable file
PAPERS = {f"systems/{name}.py" for name in ("ifgan", "relgan", "eggan", "decgan", "stargan", "icgan", "homointerpgan")}
MAX_FUNCTION_LINES = 60  # of code: the docstring does not count

# The floors of the house, lowest first: a room imports rooms of lower floors, never one of its own or a higher floor. A
# room is a module or a package directly under ferdis/.
FLOORS: tuple[set[str], ...] = (
    {"_former_names", "labels", "messages"},
    {"_image_arrays", "_io", "_tables", "notebook", "progress", "onnx_model"},
    {"zoo"},
    {"faces", "weights"},
    {"losses", "nn", "preprocess", "metrics", "protocol", "capabilities"},
    {"training", "datasets", "figures", "run_folder"},
    {"systems", "report"},
    {"evaluators", "saved_models"},
    {"evaluation"},
    {"disentanglement", "sweep", "export"},
    {"augmentation", "predict"},
    {"web", "reproduce"},
)
# Arrows that point down and are refused all the same: who judges systems takes them as arguments and knows none.
REFUSED = {room: {"systems"} for room in ("evaluation", "sweep", "report", "metrics", "protocol")}
# The faces of the library look everything up; nothing else may.
ROOTS = {"__init__", "__main__", "cli"}
STEPS = ("training/",)  # where `backward` and `step` may be called


def floor_of(part: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if part in rooms)


def may_import(part: str) -> set[str]:
    below = set().union(*FLOORS[: floor_of(part)])
    return below - REFUSED.get(part, set())


def part_of(path: Path) -> str:
    """`ferdis/systems/ifgan.py` -> `systems`; `ferdis/faces.py` -> `faces`."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def module_of(path: Path) -> list[str]:
    """Where relative imports of `path` start: `ferdis/systems/ifgan.py` -> [ferdis, systems]."""
    return ["ferdis", *path.relative_to(PACKAGE).parent.parts]


def imported_parts(tree: ast.AST, package: list[str]) -> set[str]:
    """Parts of ferdis that a module imports, at any depth of nesting, relative imports resolved."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            names += [f"{base}.{alias.name}" for alias in node.names]
    inside = [name.split(".") for name in names if name.split(".")[0] == "ferdis"]
    return {name[1] if len(name) > 1 else "__init__" for name in inside}


def wrong_imports(part: str, tree: ast.AST, package: list[str]) -> set[str]:
    if part in ROOTS:
        return set()
    return imported_parts(tree, package) - may_import(part) - {part}


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


@pytest.fixture(params=FILES, ids=lambda path: str(path.relative_to(PACKAGE)), scope="module")
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


@lru_cache(maxsize=1)  # all tests of a file come one after the other
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def test_the_floors_name_the_rooms_that_exist_and_no_others():
    rooms = [room for floor in FLOORS for room in floor] + sorted(ROOTS)
    assert len(rooms) == len(set(rooms)), "a room stands on one floor"
    there = {part_of(file) for file in FILES}
    assert there == set(rooms), f"new: {sorted(there - set(rooms))}; gone: {sorted(set(rooms) - there)}"


def test_modules_of_a_package_make_no_circle():
    """Imports at the top of modules, taken as arrows, never lead back to where they start."""
    names = {".".join(["ferdis", *file.relative_to(PACKAGE).with_suffix("").parts]): file for file in FILES}
    names = {name.removesuffix(".__init__"): file for name, file in names.items()}
    arrows = {name: top_imports(file, names) - {name} for name, file in names.items()}
    while leaves := {name for name, targets in arrows.items() if not targets & arrows.keys()}:
        arrows = {name: targets for name, targets in arrows.items() if name not in leaves}
    assert not arrows, f"in a circle, or above one: {sorted(arrows)}"


def top_imports(path: Path, names: dict[str, Path]) -> set[str]:
    """Modules among ``names`` that importing the file runs, apart from the packages that hold it."""
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ferdis":
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & names.keys()
            found |= inner if len(inner) == len(node.names) else {*inner, node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & names.keys()
    return found


def test_imports_point_one_way(path: Path):
    wrong = wrong_imports(part_of(path), tree_of(path), module_of(path))
    assert not wrong, f"{path.name} imports {sorted(wrong)}"


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("evaluation", "from ferdis.systems.ifgan import IFGAN"),
        ("figures", "import ferdis.datasets as d"),
        ("evaluation", "def late():\n    from .systems import get"),
        ("metrics", "from ferdis.figures import confusion"),
        ("faces", "from ferdis import training"),
        ("systems", "from ferdis.evaluators.judges import IdentityJudge"),
        ("datasets", "from ferdis import IFGAN"),
    ],
)
def test_a_wrong_import_is_seen(part: str, source: str):
    assert wrong_imports(part, ast.parse(source), ["ferdis"])


def test_only_training_steps(path: Path):
    if path.relative_to(PACKAGE).as_posix().startswith(STEPS):
        return
    calls = [f"line {line}" for name, line in called_names(tree_of(path)) if name.endswith(".backward")]
    assert not calls, f"{path.name} calls backward at {calls}: that is the trainer's alone"


def test_nothing_is_pickled(path: Path):
    tree = tree_of(path)
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
    tree = tree_of(path)
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)], "raise ValueError instead"
    raised = [ast.unparse(node.exc) for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc]
    assert not [name for name in raised if name.startswith("NotImplementedError")]
    words = path.read_text("utf-8").split()
    assert not {"TODO", "FIXME", "XXX", "TODO:", "FIXME:"} & set(words)


def test_public_names_are_documented(path: Path):
    missing = list(undocumented(tree_of(path)))
    assert not missing, f"{path.name}: no docstring on {missing}"


def test_sizes(path: Path):
    lines = path.read_text("utf-8").count("\n")
    most = MAX_PAPER_LINES if path.relative_to(PACKAGE).as_posix() in PAPERS else MAX_FILE_LINES
    assert lines <= most, f"{path.name} has {lines} lines; split it at a seam of its own"
    functions = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef)]
    lengths = {node.name: code_lines(node) for node in functions if not only_stores(node)}
    long = {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES}
    assert not long, f"{path.name}: longer than {MAX_FUNCTION_LINES} lines of code: {long}"


def test_future_annotations(path: Path):
    tree = tree_of(path)
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    annotates = any(isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AnnAssign) for node in ast.walk(tree))
    assert imports or not annotates, f"{path.name} lacks `from __future__ import annotations`"
