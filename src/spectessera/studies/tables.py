"""The tables of a reproduction: Markdown for readers, CSV and JSON for programs."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spectessera._util.files import atomic

HEAD = (
    ("accuracy", "accuracy"),
    ("weighted_accuracy", "weighted accuracy"),
    ("f1", "F1"),
    ("tversky", "Tversky"),
    ("ari", "ARI"),
    ("ari_true_k", "ARI, true k"),
    ("ari_colours", "ARI, colours"),
    ("background", "background F1"),
)
TIMES = (("fit_seconds", "fit, s"), ("segment_seconds", "new image, s"))


def write_tables(rows: Sequence[Any], means: list[dict[str, Any]], folder: Path, name: str) -> None:
    """Write scores.csv (one line per run), summary.json (means) and scores.md (a page to read).

    Parameters
    ----------
    rows : sequence of NamedTuple
        One per experiment, method and seed.
    means : list of dict
        Over the seeds.
    folder : Path
    name : str
        Of the experiment.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=rows[0]._fields)
    writer.writeheader()
    writer.writerows(row._asdict() for row in rows)
    seeds = len({row.seed for row in rows})
    summary = {
        "experiment": name,
        "seeds": seeds,
        "methods": [_without_nan(each) for each in means],
    }
    for path, content in (
        ("scores.csv", text.getvalue()),
        ("summary.json", json.dumps(summary, indent=2) + "\n"),
        ("scores.md", "\n".join(markdown(means, seeds, name)) + "\n"),
    ):
        with atomic(folder / path) as temporary:
            temporary.write_text(content, encoding="utf-8")


def _without_nan(means: dict[str, Any]) -> dict[str, Any]:
    """Return the means of a method with None for NaN, which JSON does not have."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in means.items()
    }


def markdown(means: list[dict[str, Any]], seeds: int, name: str) -> list[str]:
    """Return a page of tables, one per variant of the experiment; the best of a column is bold."""
    caption = f"Means (standard deviations) of {seeds} seed(s); times are medians."
    lines = [f"# Scores: {name}", "", caption]
    for experiment in dict.fromkeys(each["experiment"] for each in means):
        methods = [each for each in means if each["experiment"] == experiment]
        columns = [c for c in HEAD if not all(math.isnan(each[c[0]]) for each in methods)]
        best = {c: max(each[c] for each in methods) for c, _ in columns}
        limited = any(each["ks"] != each["ks_open"] for each in methods)
        ks = {"k": "ks", "k from 2": "ks_open"} if limited else {"k": "ks"}
        titles = ["method", *(title for _, title in columns), *ks, *(title for _, title in TIMES)]
        lines += ["", f"## {experiment}", "", "| " + " | ".join(titles) + " |"]
        lines.append("|" + "---|" * len(titles))
        for each in methods:
            cells = [each["words"]]
            for column, _ in columns:
                cell = f"{each[column]:.3f}"
                cell = f"**{cell}**" if each[column] == best[column] else cell
                cells.append(cell + (f" ({each[column + '_sd']:.3f})" if seeds > 1 else ""))
            cells += [", ".join(str(k) for k in each[name]) for name in ks.values()]
            cells += [f"{each[column]:.1f}" for column, _ in TIMES]
            lines.append("| " + " | ".join(cells) + " |")
    return lines
