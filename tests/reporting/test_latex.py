"""LaTeX: escaped texts can be read back, the best means are bold, and all tables compile in one document."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from fake_metrics import constant, experiment_with, fake_metrics, fake_planning, frame, typed
from hypothesis import given
from hypothesis import strategies as st

from gcl.experiment.places import results_at
from gcl.reporting.build import TABLE_BUILDERS
from gcl.reporting.paragraph import paragraph
from gcl.reporting.tables.escape import tex
from gcl.reporting.tables.markup import headers, latex
from gcl.reporting.tables.result_table import ResultColumn, ResultRow, ResultTable, Score, read_table_file
from gcl.workflow.targets import TARGETS

MINIATURE, PAPER = experiment_with(), experiment_with("paper")
NAMES = {
    "textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textasciigrave": "`", "ldots": "…",
    "textquoteleft": "‘", "textquoteright": "’", "textquotedblleft": "“", "textquotedblright": "”",
}  # fmt: skip
MATHS = {
    "<": "<", ">": ">", r"\leq": "≤", r"\geq": "≥", r"\pm": "±", r"\kappa": "κ", r"\tau": "τ", r"\times": "×", "-": "−",
    r"^\dagger": "†", r"\uparrow": "↑", r"\downarrow": "↓", r"\rightarrow": "→",
}  # fmt: skip
TOKEN = re.compile(
    r"\\texttt\{U\+(?P<number>[0-9A-F]+)\}|\\(?P<name>[a-z]+)\{\}|\\(?P<escaped>[&%$#_{}])|\$(?P<maths>[^$]+)\$"
    r"|(?P<dash>---?(?!\{\}))|(?P<apart>[-',])\{\}|(?P<plain>[^\\{}$&#^_%~`\n])"
)


def read_back(code: str) -> str:
    """The text of LaTeX code, by a grammar of its own; fails where a special character stands bare."""
    found, at = [], 0
    while at < len(code):
        token = TOKEN.match(code, at)
        assert token, code[at:]
        kinds = {
            "number": lambda text: chr(int(text, 16)), "name": NAMES.__getitem__, "maths": MATHS.__getitem__,
            "dash": {"--": "–", "---": "—"}.__getitem__,
        }  # fmt: skip
        found.append(kinds.get(token.lastgroup, str)(token[token.lastgroup]))
        at = token.end()
    return "".join(found)


@given(st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("\\~^`&%$#_{}<>†−–—…-',\"[]*| \n\t"))))
def test_every_text_can_be_read_back_from_its_latex(text):
    assert read_back(tex(text)) == " ".join(text.split())


def test_letters_that_a_font_lacks_are_told_by_number():
    assert tex("naïve Škoda") == "naïve Škoda"
    assert tex("\u4e2d\u0301\x00þ") == r"\texttt{U+4E2D}\texttt{U+0301}\texttt{U+0000}\texttt{U+00FE}"


def score(mean: float) -> Score:
    return Score(mean=mean, low=mean, high=mean, seeds=[mean], gain=None, paper=0.9, runs=None)


def table_of(rows: list[tuple[str, float | None, float]], exchanged: int = 0) -> ResultTable:
    """Rows of a role, an accuracy and a cross-entropy; the last ones saw other pictures."""
    columns = [
        ResultColumn(name="dataset", header="Data set", kind="text", identity=True),
        ResultColumn(name="accuracy", header="Accuracy", kind="score", compared=True, paper=True),
        ResultColumn(name="held_out_cross_entropy", header="Loss", kind="score", compared=True),
    ]
    made = [
        ResultRow(
            cells={
                "dataset": "[a]", "role": role, "accuracy": None if x is None else score(x),
                "held_out_cross_entropy": score(y),
            },
            seeds=1, scenarios=2, runs=["r"], exchanged=number >= len(rows) - exchanged,
        )
        for number, (role, x, y) in enumerate(rows)
    ]  # fmt: skip
    return ResultTable(name="t", title="T", scale="paper", warning="", notes=[], columns=columns, rows=made)


def bold(table: ResultTable) -> list[list[str]]:
    """The bold words of every row."""
    return [re.findall(r"\\textbf\{([^}]*)\}", line) for line in latex(table).splitlines() if line.startswith("{}[a]")]


def test_the_best_mean_of_each_role_is_bold_whichever_way_is_better():
    rows = [("learner", 0.5, 2.0), ("learner", 0.7, 1.0), ("guide", 0.9, 3.0), ("guide", None, 2.5)]
    assert bold(table_of(rows)) == [[], ["0.700", "1.000"], [], ["2.500"]]


def test_equal_means_are_bold_together_and_not_at_all_if_all_are_equal():
    rows = [("learner", 0.5, 1.0), ("learner", 0.70001, 1.0), ("learner", 0.7, 1.0)]
    assert bold(table_of(rows)) == [[], ["0.700"], ["0.700"]]
    assert "Bold:" in latex(table_of(rows)) and "Bold:" not in latex(table_of(rows[:1]))


def test_rows_with_other_pictures_are_never_the_best():
    assert bold(table_of([("learner", 0.5, 1.0), ("learner", 0.6, 1.5), ("learner", 0.9, 0.1)], 1)) == [
        ["1.000"], ["0.600"], [],
    ]  # fmt: skip


def all_tables() -> dict[str, ResultTable]:
    """Every table that can be made without an encoder: at both scales, and those that are kept."""
    folder, found = results_at("miniature", ROOT / "results").reference, {}
    for scale, experiment in (("miniature", MINIATURE), ("paper", PAPER)):
        metrics = typed(fake_metrics(experiment, constant) | fake_planning(experiment))
        found |= {
            f"{scale}-{name}": builder(experiment, metrics, ROOT / "results")
            for name, builder in TABLE_BUILDERS.items()
            if name != "encoders" and TARGETS[name].possible(experiment)
        }
    for path in folder.glob("*.provenance.json"):
        name = path.name.removesuffix(".provenance.json")
        found[f"reference-{name}"] = read_table_file(path, "miniature", name)
    return found


@pytest.mark.slow
def test_all_tables_and_every_letter_compile_in_one_document(tmp_path):
    if not shutil.which("pdflatex"):
        pytest.skip("no pdflatex here, so NO TABLE WAS COMPILED; apt-get install texlive-latex-recommended")
    tables = all_tables()
    assert len(tables) > 15 and len(frame(tables["reference-headline"])) == 16
    log = compiled(tmp_path, {name: latex(table) for name, table in tables.items()})
    assert not re.findall(r"^(?:Overfull \\hbox|LaTeX Warning: Float too large|Missing character).*", log, re.MULTILINE)
    columns = {name: len(headers(table)) for name, table in tables.items()}
    assert max(columns.values()) > 8, "wide tables, which have to be made smaller, are among them"
    words = paragraph(tables["reference-headline"])
    every = "".join(map(chr, range(32, 0x180)))
    odd = "\\ {} $ & # _ ~ ^ % -- ,, '' `` ?` !` 中\u0301 \x00 \n\n é"
    strange = tables["reference-headline"].model_copy(update={"title": every, "notes": [every, odd]})
    for row in strange.rows:
        row.cells["dataset"] = "[*] *x_1 & \\\\"
    compiled(tmp_path, {"strange": latex(strange), "words": "\n".join(map(tex, words))})


def compiled(folder: Path, parts: dict[str, str]) -> str:
    """Compile all parts as one document; its log."""
    for name, part in parts.items():
        (folder / f"{name}.tex").write_text(part, encoding="utf-8")
    body = [rf"\input{{{name}}}\clearpage" for name in parts]
    head = [r"\documentclass{article}", r"\usepackage{booktabs,graphicx}", r"\begin{document}"]
    (folder / "all.tex").write_text("\n".join([*head, *body, r"\end{document}", ""]), encoding="utf-8")
    (folder / "all.pdf").unlink(missing_ok=True)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "all.tex"]
    wide = os.environ | {"max_print_line": "1000"}
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=300, env=wide)
    log = (folder / "all.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, log[-3000:]
    assert (folder / "all.pdf").read_bytes().startswith(b"%PDF-")
    return log
