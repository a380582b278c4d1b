"""Links between docstrings: every name that one refers to exists, and leads to its public place.

With ``nitpicky`` Sphinx warns of each name that it cannot link. Of those, three kinds are settled
here, without a list of exceptions: a public object under the longer name of the module in which it
is written gets the link to its entry; a name that is not public, or of another library, is shown as
code, if it exists; and a word in the type of a parameter, such as ``channel`` in ``array (n,
channel)``, links to the public class of that name or is a word. All others stop the build.
"""

from importlib import import_module
from typing import Any


def object_of(name: str) -> Any:
    """Return the object of a dotted name.

    Raises
    ------
    LookupError
        If there is none.
    """
    parts = name.removesuffix("()").split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part) and part not in getattr(found, "__annotations__", ()):
                raise LookupError(name)
            found = getattr(found, part, None)
        return found
    raise LookupError(name)


def public_names(documented: list[str]) -> dict[int, str]:
    """Return the names of the entries of the reference by the identity of what they are of."""
    found: dict[int, str] = {}
    for name in documented:
        try:
            what = object_of(name)
        except LookupError:  # of an instance
            continue
        if callable(what):
            found.setdefault(id(what), name)
    return found


def resolve(app: Any, env: Any, node: Any, shown: Any) -> Any:
    """Return what stands for a reference that Sphinx could not resolve; None: it warns."""
    from sphinx.addnodes import literal_emphasis
    from sphinx.util.nodes import make_refnode

    if node.get("refdomain") != "py":
        return None
    entries = env.domaindata["py"]["objects"]
    name = node["reftarget"]
    if isinstance(shown, literal_emphasis):  # the type of a parameter
        classes = [n for n, e in entries.items() if e.objtype == "class" and n.endswith(f".{name}")]
        place = classes[0] if len(classes) == 1 else None
    else:
        try:
            what = object_of(name)
        except LookupError:
            return None
        if not hasattr(env, "spectessera_names"):
            env.spectessera_names = public_names(sorted(entries, key=len))
        place = env.spectessera_names.get(id(what))
    if place is None:
        return shown
    entry = entries[place]
    docname = node.get("refdoc", env.docname)
    return make_refnode(app.builder, docname, entry.docname, entry.node_id, shown, place)


def setup(app: Any) -> dict[str, Any]:
    """Settle the references that are left."""
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
