"""Lines of fixed-width text as a frame, and what is read from a line, as expressions over it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from medallion_assets.errors import ExtractionError
from medallion_assets.intent.source import FwField
from medallion_assets.lake.ports import Refused

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Cut", "Lines", "Ragged", "cell", "layout", "reason_of", "refusals", "refuse_length", "wrong_length"]

Ragged = Literal["fail", "quarantine", "pad"]


@dataclass(frozen=True, slots=True)
class Lines:
    """``rows``: ``text`` without its line end, ``number`` (1-based), ``damage`` (null: it is UTF-8). No blank lines."""

    rows: "pl.DataFrame"

    @classmethod
    def of(cls, data: bytes, first: int) -> "Lines":
        import polars as pl

        raw = data.removesuffix(b"\n")
        damage: list[str | None] = []
        try:
            texts = raw.decode().split("\n")
        except UnicodeDecodeError:
            texts = []
            for line in raw.split(b"\n"):
                text, wrong = _decoded(line)
                texts.append(text)
                damage.append(wrong)
        rows = pl.DataFrame(
            {
                "text": pl.Series(texts, dtype=pl.String),
                "number": pl.int_range(first, first + len(texts), eager=True),
                "damage": pl.Series(damage or [None] * len(texts), dtype=pl.String),
            }
        ).with_columns(pl.col("text").str.strip_suffix("\r"))
        return cls(rows.filter(pl.col("text") != ""))


def _decoded(line: bytes) -> tuple[str, str | None]:
    """Text and, when the bytes are none, what is wrong with them; then the text has escapes in their place."""
    try:
        return line.decode(), None
    except UnicodeDecodeError as error:
        wrong = error.object[error.start : error.end].hex(" ")
        return line.decode("utf-8", "backslashreplace"), f"the bytes {wrong} are not UTF-8; set the encoding"


@dataclass(frozen=True, slots=True)
class Cut:
    """A field and its characters: from ``start``, counted from 0, ``width`` of them."""

    name: str
    start: int
    width: int

    @property
    def end(self) -> int:
        return self.start + self.width


def layout(fields: Sequence[FwField], first: int = 0) -> tuple[Cut, ...]:
    """Where fields lie. One without ``start`` follows the one before, and the first of them begins at ``first``."""
    cuts: list[Cut] = []
    at = first
    for field in fields:
        start = at if field.start is None else field.start - 1
        cuts.append(Cut(field.name, start, field.width))
        at = cuts[-1].end
    return tuple(cuts)


def cell(cut: Cut, ragged: Ragged) -> "pl.Expr":
    """The text of a field; null when the line ends before it and may (``pad``)."""
    import polars as pl

    text = pl.col("text").str.slice(cut.start, cut.width).str.strip_chars(" ")
    if ragged == "pad":
        text = pl.when(pl.col("text").str.len_chars() > cut.start).then(text)
    return text.alias(cut.name)


def wrong_length(cuts: Sequence[Cut], ragged: Ragged, code_end: int = 0) -> "pl.Expr":
    """Why a line does not fit its fields (and a code that ends at ``code_end``); null when it does."""
    import polars as pl

    needed = max(cut.end for cut in cuts)
    last = max(needed, code_end)
    length = pl.col("text").str.len_chars()
    behind = pl.col("text").str.slice(last).str.strip_chars(" ") != ""
    short = pl.lit(ragged != "pad") & (length < needed)
    return (
        pl.when(behind)
        .then(pl.format("{} characters, and no field for those after {}", length, pl.lit(last)))
        .when(short)
        .then(pl.format("{} characters, {} expected", length, pl.lit(needed)))
    )


def reason_of() -> "pl.Expr":
    """The word for a problem with a line of its own."""
    import polars as pl

    return pl.when(pl.col("damage").is_null()).then(pl.lit("ragged")).otherwise(pl.lit("encoding"))


def refuse_length(judged: "pl.DataFrame", ragged: Ragged, where: str) -> None:
    """Raises ExtractionError SRC-012 for the first line of the wrong length, when that is told to fail."""
    import polars as pl

    if ragged != "fail":
        return
    wrong = judged.filter(pl.col("problem").is_not_null() & (pl.col("reason") == "ragged"))
    if wrong.height:
        raise ExtractionError(
            "SRC-012",
            f"A line has {wrong['problem'][0]}.",
            where=f"{where}:{wrong['number'][0]}",
            fix="Mend the line, or set source.format.ragged.",
        )


def refusals(bad: "pl.DataFrame", name: str) -> tuple[Refused, ...]:
    """Rows with ``reason``, ``problem``, ``number`` and ``text`` as refused rows, by line."""
    columns = bad.sort("number").select("reason", "problem", "number", "text")
    return tuple(Refused(reason, problem, name, number, text) for reason, problem, number, text in columns.iter_rows())
