"""Equations as MathML, made by the build: the pages of the site load no program for them."""

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(convert(node.astext(), display="inline"))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    number = node.get("number")
    told = f'<span class="eqno">({number})</span>' if number else ""
    identifiers = "".join(f' id="{each}"' for each in node["ids"][:1])
    content = convert(node.astext(), display="block")
    translator.body.append(f'<div class="math"{identifiers}>{told}{content}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer; ``html_math_renderer = "mathml"`` in conf.py chooses it."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
