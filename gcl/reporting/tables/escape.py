r"""Plain text in LaTeX: `tex(text)`. Whatever the text is, pdfLaTeX prints it, or says by number which letter it has not.

Its accents need UTF-8, the default of LaTeX since 2018. Nothing else has to be loaded.
"""

import re
import unicodedata

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "<": "$<$",
    ">": "$>$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "±": r"$\pm$",
    "κ": r"$\kappa$",
    "τ": r"$\tau$",
    "×": r"$\times$",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "‘": r"\textquoteleft{}",
    "’": r"\textquoteright{}",
    "“": r"\textquotedblleft{}",
    "”": r"\textquotedblright{}",
    "†": r"$^\dagger$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
}
# Two of the first kind would be printed as another sign. Letters, digits and spaces stand for themselves.
_PART = re.compile(r"([-',])(?=\1)|[^a-zA-Z0-9 ]")
# Grave, acute, circumflex, tilde, macron, breve, dot, diaeresis, ring, double acute, caron, cedilla.
_ACCENTS = {*map(chr, (0x300, 0x301, 0x302, 0x303, 0x304, 0x306, 0x307, 0x308, 0x30A, 0x30B, 0x30C, 0x327))}
_LETTERS = {*"ßæÆøØœŒłŁ"}


def tex(text: str) -> str:
    """The text for LaTeX; all white space between two words is one space. Different texts stay different."""
    return _PART.sub(_part, " ".join(text.split()))


def _part(found: re.Match[str]) -> str:
    if found[1]:
        return f"{found[1]}{{}}"
    sign = found[0]
    if sign in _SPECIAL:
        return _SPECIAL[sign]
    if (sign.isascii() and sign.isprintable()) or sign in _LETTERS or _accented(sign):
        return sign
    return rf"\texttt{{U+{ord(sign):04X}}}"


def _accented(sign: str) -> bool:
    """Whether it is one of the European letters that every font of LaTeX can put together."""
    parts = unicodedata.normalize("NFD", sign)
    return sign <= "\u017e" and len(parts) == 2 and parts[0].isascii() and parts[1] in _ACCENTS
