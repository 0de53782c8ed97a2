"""The report as one file of HTML without anything from elsewhere, and as Markdown for Dagster."""

from collections.abc import Iterator
from html import escape

from medallion_assets.report.quality import WHOLE, Day, Quality, Verdict

__all__ = ["markdown", "page", "points"]

_MARKS = {"passed": "✓", "warned": "!", "failed": "✕"}
_WORDS = {"passed": "passed", "warned": "with warnings", "failed": "failed"}
_MOST_DAYS = 62
"""Columns of the heat map on the page; older days are in the drill-down."""
_MOST_ROWS = 200
"""Of the table in Markdown, which Dagster shows as a whole."""


def markdown(quality: Quality, picture: str = "") -> str:
    """A heading, the picture (a data URL), a table by dataset: the worst score first."""
    lines = [
        f"**{points(quality.score)}** over {len(quality.datasets):,} datasets, {quality.at:%Y-%m-%d %H:%M} UTC",
        "",
    ]
    if picture:
        lines += [f"![Heat map: a row for each dataset, a column for each day]({picture})", ""]
    lines += ["| dataset | score | days | failed | with warnings | first failure |", "|---|---:|---:|---:|---:|---|"]
    for name in quality.worst_first[:_MOST_ROWS]:
        days = quality.datasets[name]
        failures = [v for day in days.values() for v in day.verdicts if v.state == "failed"]
        first = f"{failures[0].day}: {failures[0].check.name}" if failures else ""
        counts = [sum(day.state == state for day in days.values()) for state in ("failed", "warned")]
        lines.append(
            f"| {name} | {points(quality.score_of(name))} | {len(days):,} | {counts[0]:,} | {counts[1]:,} | {first} |"
        )
    return "\n".join(lines)


def page(quality: Quality) -> str:
    """Scores, the heat map, and every dataset with its days and checks behind it. Works without JavaScript."""
    days = quality.days[-_MOST_DAYS:]
    head = "".join(f"<th scope=col><span>{escape(day)}</span></th>" for day in days)
    names = quality.worst_first
    rows = "".join(_row(quality, name, days) for name in names)
    parts = "".join(_dataset(quality, name) for name in names)
    return _PAGE.format(
        style=_STYLE, at=f"{quality.at:%Y-%m-%d %H:%M} UTC", score=points(quality.score), count=f"{len(names):,}",
        head=head, rows=rows, parts=parts,
    )  # fmt: skip


def points(score: float | None) -> str:
    """99.95 is no 100."""
    if score is None:
        return "none"
    return "100" if score == 100 else f"{min(score, 99.9):.1f}"


def _anchor(*words: str) -> str:
    return escape("-".join(words).replace(" ", "-").replace("/", "-"), quote=True)


def _row(quality: Quality, name: str, days: tuple[str, ...]) -> str:
    cells = "".join(_cell(name, day, quality.datasets[name].get(day)) for day in days)
    link = f'<a href="#{_anchor(name)}">{escape(name)}</a>'
    return f"<tr><th scope=row>{link}</th><td class=score>{points(quality.score_of(name))}</td>{cells}</tr>"


def _cell(name: str, day: str, found: Day | None) -> str:
    if found is None:
        return "<td class=none></td>"
    title = escape(f"{name} {day}: {_WORDS[found.state]}", quote=True)
    target = _anchor(name, day)
    mark = _MARKS[found.state]
    return f'<td class={found.state}><a href="#{target}" title="{title}" aria-label="{title}">{mark}</a></td>'


def _dataset(quality: Quality, name: str) -> str:
    days = quality.datasets[name]
    bad = any(day.state != "passed" for day in days.values())
    inner = "".join(_day(name, key, day) for key, day in reversed(list(days.items())))
    opened = " open" if bad else ""
    title = f"{escape(name)} <b>{points(quality.score_of(name))}</b>"
    return f'<details id="{_anchor(name)}"{opened}><summary>{title}</summary>{inner}</details>'


def _day(name: str, key: str, day: Day) -> str:
    rows = "".join(_verdict(verdict) for verdict in sorted(day.verdicts, key=lambda v: (v.check.passed, v.asset)))
    opened = "" if day.state == "passed" else " open"
    title = "the table as a whole" if key == WHOLE else key
    return (
        f'<details class=day id="{_anchor(name, key)}"{opened}><summary><i class={day.state}>{_MARKS[day.state]}</i> '
        f"{escape(title)}</summary><table class=checks><thead><tr><th scope=col>check<th scope=col>asset"
        f"<th scope=col>verdict</thead><tbody>{rows}</tbody></table></details>"
    )


def _verdict(verdict: Verdict) -> str:
    facts = "".join(_facts(verdict))
    return (
        f"<tr><td><i class={verdict.state}>{_MARKS[verdict.state]}</i> {escape(verdict.check.name)}"
        f"<td>{escape(verdict.asset)}<td>{escape(verdict.check.summary)}{facts}"
    )


def _facts(verdict: Verdict) -> Iterator[str]:
    shown = {name: value for name, value in verdict.check.facts.items() if value not in (None, "")}
    if shown and not verdict.check.passed:
        said = "".join(f"<dt>{escape(name)}<dd>{escape(str(value))}" for name, value in shown.items())
        yield f"<dl>{said}</dl>"


_STYLE = """
:root{color-scheme:light dark;--back:#fff;--text:#1f2328;--soft:#59636e;--line:#d1d9e0;--none:#eff2f5;
--passed:#1a7f37;--warned:#9a6700;--failed:#d1242f;--on:#fff}
@media(prefers-color-scheme:dark){:root{--back:#0d1117;--text:#e6edf3;--soft:#9198a1;--line:#3d444d;--none:#161b22;
--passed:#238636;--warned:#9e6a03;--failed:#da3633}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:80rem;padding:2rem 1.5rem;background:var(--back);color:var(--text);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{color:var(--soft);margin:.25rem 0}
.total{font-size:3rem;font-weight:600;line-height:1.1;color:var(--text)}
a{color:inherit}a:focus-visible,summary:focus-visible{outline:2px solid var(--text);outline-offset:1px}
.map{overflow-x:auto}.map table{border-collapse:separate;border-spacing:2px}
.map thead th{height:6.5rem;vertical-align:bottom;padding:0;font-weight:400;color:var(--soft);font-size:.75rem}
.map thead span{writing-mode:vertical-rl;transform:rotate(180deg);white-space:nowrap}
.map tbody th{text-align:left;font-weight:500;padding-right:1rem;white-space:nowrap;position:sticky;left:0;
background:var(--back)}
.map td{width:1.4rem;min-width:1.4rem;height:1.4rem;text-align:center;padding:0;border-radius:3px}
.map td.score{width:auto;padding:0 .75rem 0 0;text-align:right;font-variant-numeric:tabular-nums}
.map td a{display:block;text-decoration:none;color:var(--on);font-size:.8rem;line-height:1.4rem}
.none{background:var(--none)}.passed{background:var(--passed)}.warned{background:var(--warned)}
.failed{background:var(--failed)}
details{border-top:1px solid var(--line);padding:.4rem 0}details.day{margin-left:1rem}
summary{cursor:pointer}summary b{color:var(--soft);font-weight:400}
i{display:inline-block;width:1.3em;text-align:center;border-radius:3px;color:var(--on);font-style:normal;font-size:.8em}
.checks{border-collapse:collapse;margin:.5rem 0 .5rem 1rem;width:calc(100% - 1rem)}
.checks th{text-align:left;color:var(--soft);font-weight:400}
.checks td,.checks th{border-top:1px solid var(--line);padding:.3rem .75rem .3rem 0;vertical-align:top;
overflow-wrap:anywhere}
.checks td:first-child{white-space:nowrap}
dl{display:grid;grid-template-columns:max-content 1fr;gap:0 .75rem;margin:.3rem 0;color:var(--soft);font-size:.85em}
dd{margin:0}
"""
_PAGE = """<!doctype html>
<html lang=en>
<meta charset=utf-8>
<meta name=viewport content="width=device-width,initial-scale=1">
<title>Data quality</title>
<style>{style}</style>
<h1>Data quality</h1>
<p>{count} datasets, {at}</p>
<p class=total>{score}</p>
<p>of 100: the share of checks that passed, by weight (error 1, warn ½, info ¼), each dataset as much as another</p>
<h2>Dataset by day</h2>
<div class=map><table><thead><tr><th scope=col>dataset</th><th scope=col>score</th>{head}</tr></thead>
<tbody>{rows}</tbody></table></div>
<h2>Checks</h2>
{parts}
</html>
"""
