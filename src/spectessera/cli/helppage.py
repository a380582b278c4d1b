"""The pages of help: few flags first, the rest by ``--help-all``, examples at the end.

A page is text: what comes from docstrings is shown without markup, and none is read from it. Flags
without a panel are for everybody; those in a panel are on the page of ``--help-all``, and on the
other page only named.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.text import Text
from typer.core import TyperCommand

from .console import output
from .examples import EXAMPLES, FIRST

WIDEST, NARROWEST = 100, 40
INDENT, COLUMN = 2, 26  # of the flags, and of what is said of them
FLAGS = "Flags"
ALL = "--help-all"
_ROLE = re.compile(r":\w+:`(?:~(?:\w+\.)*)?([^`]+)`")  # of reStructuredText
_SEE = re.compile(
    r"\s*\((?:see )?:\w+:`[^`]+`\)"  # in brackets
    r"|[,;] see\s+:\w+:`[^`]+`(?= ?[:;,.])"  # at the end of a clause
)
_SENTENCE = re.compile(r"(?:^|(?<=\. ))See :\w+:`[^`]+`\. ?")
_NUMBERS = re.compile(r"(\w+)=\(([\d, ]+)\)")


def plain(text: str, flags: Iterable[str] = ()) -> str:
    """Return the text of a docstring as a reader of the command line sees it.

    Parameters
    ----------
    text : str
        With roles and backticks of reStructuredText.
    flags : iterable of str
        Names of arguments that are flags.

    Examples
    --------
    >>> plain("Odd number (:mod:`spectessera.axis`) if ``k_min`` is None.", ["k_min"])
    'Odd number if --k-min is none.'
    """
    known = set(flags)

    def word(found: re.Match[str]) -> str:
        name, sign, rest = found[1].partition(" ")
        return as_flag(name) + sign + rest if name in known else found[1]

    text = _ROLE.sub(r"\1", _SENTENCE.sub("", _SEE.sub("", text)))
    text = re.sub(r"``([^`]+)``", word, text)
    text = _NUMBERS.sub(
        lambda found: (
            f"{as_flag(found[1])} {found[2].replace(' ', '')}" if found[1] in known else found[0]
        ),
        text,
    )
    text = re.sub(r"\bNone\b", "none", text)
    return re.sub(r"(^|\. )none\b", r"\1None", text).replace("`", "")


def as_flag(name: str) -> str:
    """Return the flag of an argument."""
    return f"--{name.replace('_', '-')}"


class PlainCommand(TyperCommand):
    """A command whose page of help is one of these."""

    def format_help(self, ctx: Any, _formatter: Any) -> None:
        """Print the page for a newcomer."""
        show_page(self, ctx, everything=False)


def _show_all(ctx: typer.Context, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        show_page(ctx.command, ctx, everything=True)
        raise typer.Exit


HelpAll = Annotated[
    bool,
    typer.Option(
        ALL, callback=_show_all, is_eager=True, expose_value=False, help="Show all flags and exit."
    ),
]


def show_page(command: Any, ctx: Any, *, everything: bool) -> None:
    """Print the page of a command or of a group of commands."""
    width = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
    output.print(Text.assemble(("Usage: ", "bold"), usage(command, ctx)))
    output.print()
    for paragraph in plain(command.help or "").split("\n\n"):
        _print_wrapped(" ".join(paragraph.split()), width)
        output.print()
    parameters = [each for each in command.get_params(ctx) if not getattr(each, "hidden", False)]
    given = [each for each in parameters if each.param_type_name == "argument"]
    _print_entries("Arguments", [(_argument(each), _words(each)) for each in given], width)
    panels = _panels(command, parameters)
    for name, members in panels.items():
        if everything or name == FLAGS:
            _print_entries(name, [(_flag(each), _words(each)) for each in members], width)
    _print_commands(command, ctx, width)
    if not everything and len(panels) > 1:
        _print_named(f"More flags ({ALL} explains them)", panels, width)
    _print_examples(ctx, width)


def usage(command: Any, ctx: Any) -> str:
    """Return how a command is called."""
    words = [ctx.command_path]
    if _subcommands(command, ctx):
        return " ".join([*words, "COMMAND", "..."])
    parameters = command.get_params(ctx)
    required = [each for each in parameters if each.param_type_name == "option" and each.required]
    words += [_argument(each) for each in parameters if each.param_type_name == "argument"]
    return " ".join([*words, *(_short(each) for each in required), "[FLAGS]"])


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name).strip("[]")
    return str(name.upper() if parameter.required else f"[{name.upper()}]")


def _flag(parameter: Any) -> str:
    """Return a flag with the values that it takes."""
    names = ", ".join(sorted(parameter.opts, key=len))
    if parameter.secondary_opts:
        names += f" / {', '.join(parameter.secondary_opts)}"
    takes = parameter.metavar
    return names if takes is None or takes_none(parameter) else f"{names} {takes}"


def _short(parameter: Any) -> str:
    """Return a flag with the kind of its value alone."""
    last = str(parameter.metavar).strip("[]").rpartition("|")[2]
    return f"{max(parameter.opts, key=len)} {last}"


def takes_none(parameter: Any) -> bool:
    """Whether a flag takes no value."""
    return bool(getattr(parameter, "is_flag", False))


def _words(parameter: Any) -> str:
    """Return what is said of a flag or an argument, its default at the end."""
    words = plain(parameter.help or "")
    default = parameter.default
    if getattr(parameter, "show_default", False) and not takes_none(parameter):
        if isinstance(default, str | int | float) and default != "":
            words += f" (default: {default})"
    elif parameter.secondary_opts and default:
        words += f" (default: {parameter.opts[0]})"
    if parameter.required and parameter.param_type_name == "option":
        words += " (required)"
    return words


def _panels(command: Any, parameters: Sequence[Any]) -> dict[str, list[Any]]:
    """Return the flags by panel: those for everybody first."""
    panels: dict[str, list[Any]] = {FLAGS: []}
    first = FIRST.get(command.name or "", ())
    for each in parameters:
        if each.param_type_name == "option":
            name = getattr(each, "rich_help_panel", None)
            panel = FLAGS if name is None or each.name in first else name
            panels.setdefault(panel, []).append(each)
    panels[FLAGS].sort(key=lambda each: (not each.required, each.name in ("help", "help_all")))
    return panels


def _subcommands(command: Any, ctx: Any) -> list[str]:
    return command.list_commands(ctx) if hasattr(command, "list_commands") else []


# --- printing ------------------------------------------------------------------------------------


def _print_commands(command: Any, ctx: Any, width: int) -> None:
    names = _subcommands(command, ctx)
    entries = [(name, plain(command.get_command(ctx, name).help or "")) for name in names]
    firsts = [(name, words.split("\n\n")[0].replace("\n", " ")) for name, words in entries]
    _print_entries("Commands", firsts, width, column=INDENT + 2 + max(map(len, names), default=0))


def _print_entries(
    title: str, entries: Sequence[tuple[str, str]], width: int, column: int = COLUMN
) -> None:
    """Print names and what is said of them in two columns."""
    if not entries:
        return
    output.print(Text(title, "bold"))
    for name, words in entries:
        head = Text(" " * INDENT).append(name, "cyan")
        lines = _wrapped(words, max(width - column, NARROWEST // 2)) or [""]
        if len(head) + 2 > column:
            for line in _folded(name, width - INDENT):
                output.print(Text(" " * INDENT).append(line, "cyan"))
            head = Text("")
        head.pad_right(column - len(head))
        output.print(head.append(lines[0]))
        for line in lines[1:]:
            output.print(" " * column + line)
    output.print()


def _folded(name: str, width: int) -> list[str]:
    """Return a flag with many choices as lines, broken between choices."""
    if len(name) <= width:
        return [name]
    spaced = textwrap.wrap(name.replace("|", "| "), width, subsequent_indent=" " * 8)
    return [line.replace("| ", "|") for line in spaced]


def _print_named(title: str, panels: dict[str, list[Any]], width: int) -> None:
    """Print which flags there are besides those of the page."""
    column = INDENT + 2 + max(len(name) for name in panels)
    entries = [
        (name, " ".join(max(each.opts, key=len) for each in members))
        for name, members in panels.items()
        if name != FLAGS
    ]
    _print_entries(title, entries, width, column)


def _print_examples(ctx: Any, width: int) -> None:
    """Print the examples of a command."""
    name = " ".join(ctx.command_path.split()[1:])
    examples = EXAMPLES.get(name, ())
    if not examples:
        return
    output.print(Text("Examples", "bold"))
    column = max(len(line) for line, _ in examples) + 4
    fits = all(column + len(words) <= width - 2 * INDENT for _, words in examples)
    for line, words in examples:
        if not fits:
            output.print(f"  # {words}")
            output.print(f"  {line}")
        else:
            output.print(f"  {line:<{column}}# {words}")


def _print_wrapped(text: str, width: int) -> None:
    for line in _wrapped(text, width):
        output.print(line)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)
