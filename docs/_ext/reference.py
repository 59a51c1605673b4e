"""The reference: a page a public module, made of the docstrings when the site is built."""

from __future__ import annotations

import ast
import inspect
import textwrap
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

from docutils import nodes
from public_names import GROUPS, Name, homes, names
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from filters import Registry

FOLDER = "reference"
OPTIONS = {"autoclass": ":members:\n:show-inheritance:", "autoexception": ":show-inheritance:"}


def write_pages(app: Sphinx) -> None:
    """Write the pages, those alone that changed, so that a second build is quick."""
    folder, known = Path(app.srcdir) / FOLDER, homes()
    folder.mkdir(exist_ok=True)
    pages = {f"{module}.rst": _page(module, known) for group in GROUPS.values() for module in group}
    for name, text in {**pages, "index.rst": _index(known)}.items():
        file = folder / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def _page(module: str, known: dict[object, Name]) -> str:
    own = names(module)
    described = [name for name in own if known[name.key].module == module]
    parts = [_title(f"``{module}``"), f".. automodule:: {module}\n   :no-members:\n", _table(own, known)]
    return "\n".join([*parts, f".. currentmodule:: {module}\n", *(_entry(name) for name in described)])


def _entry(name: Name) -> str:
    if name.directive == "autodata":  # autodoc would describe the type of the value
        return f".. py:data:: {name.name}\n\n{textwrap.indent(_value(name), '   ')}\n"
    options = textwrap.indent("" if _is_named_tuple(name) else OPTIONS.get(name.directive, ""), "   ")
    uses = f".. minigallery:: {name.path}\n"
    return f".. {name.directive}:: {name.path}\n{options}\n\n{uses}"


def _value(name: Name) -> str:
    """What a constant is: the names of a registry, or the string under its assignment in the package."""
    if isinstance(name.value, Registry):
        listed = ", ".join(f"``{one}``" for one in name.value.names())
        return f"By name: {listed}. See :class:`~filters.Registry`."
    folder = Path(str(import_module(name.module).__file__)).parent
    for file in sorted(folder.glob("*.py")):
        body = ast.parse(file.read_text(encoding="utf-8")).body
        for statement, after in pairwise(body):
            if isinstance(statement, ast.Assign | ast.AnnAssign) and _assigns(statement, name.name):
                text = getattr(getattr(after, "value", None), "value", None)
                return inspect.cleandoc(text) if isinstance(text, str) else f"``{name.value!r}``"
    return f"``{name.value!r}``"


def _assigns(statement: ast.Assign | ast.AnnAssign, name: str) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def _is_named_tuple(name: Name) -> bool:
    """Whose fields the docstring describes already."""
    return inspect.isclass(name.value) and issubclass(name.value, tuple)


def _index(known: dict[object, Name]) -> str:
    text = [_title("Reference"), "Every public name, from its docstring.\n"]
    for group, modules in GROUPS.items():
        entries = "\n".join(f"   {module}" for module in modules)
        text += [_title(group, "-"), f".. toctree::\n   :maxdepth: 1\n\n{entries}\n"]
    own = names("gsp_nonlocal")
    text += [
        _title("The top level", "-"),
        "What ``import gsp_nonlocal`` offers at once:\n",
        _table(own, known),
    ]
    return "\n".join(text)


def _title(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}\n"


def _table(own: list[Name], known: dict[object, Name]) -> str:
    rows = [f"   * - :py:obj:`{n.name} <{known[n.key].path}>`\n     - {_first(n)}" for n in own]
    return ".. list-table::\n   :widths: 30 70\n\n" + "\n".join(rows) + "\n"


def _first(name: Name) -> str:
    """The first paragraph of the description."""
    text = _value(name) if name.directive == "autodata" else inspect.getdoc(name.value) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return paragraph or "–"


def resolve(app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, text: nodes.Node) -> Any:
    """A name written in a docstring without its module leads to the one thing of that name."""
    if node.get("refdomain") != "py":
        return None
    last = node["reftarget"].rpartition(".")[2]
    objects = env.domains.python_domain.objects
    found = {path for path in objects if path.rpartition(".")[2] == last and not objects[path].aliased}
    if len(found) != 1:
        return None
    path = found.pop()
    return nodes.reference(
        "",
        "",
        text.deepcopy(),
        internal=True,
        reftitle=path,
        refuri=app.builder.get_relative_uri(node["refdoc"], objects[path].docname) + f"#{path}",
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Write before anything is read."""
    app.connect("builder-inited", write_pages, priority=100)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
