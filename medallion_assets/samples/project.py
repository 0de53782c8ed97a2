"""A whole project of samples: intents, platform.yaml, sources, and what every silver table must hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medallion_assets.errors import ConfigError
from medallion_assets.samples.api import TOKEN
from medallion_assets.samples.claims import Claims
from medallion_assets.samples.draw import World
from medallion_assets.samples.events import Events
from medallion_assets.samples.orders import Orders
from medallion_assets.samples.sample import Expected, Sample
from medallion_assets.samples.tickets import Tickets
from medallion_assets.samples.transactions import Transactions
from medallion_assets.samples.users import Users

__all__ = ["PORT", "Made", "make"]

PORT = 8765
_PLATFORM = f"""
# Samples: `medallion samples` made this folder. The token is no secret: it opens made-up tickets on this machine.
connections:
  bank: {{type: database, url: "sqlite:///data/bank.db"}}
  desk:
    type: api
    base_url: "${{env:SAMPLES_URL:-http://127.0.0.1:{PORT}}}"
    auth: {{type: bearer, token: "${{env:SAMPLES_TOKEN:-{TOKEN}}}"}}
defaults: {{partitions: {{start: START, end: END}}}}
"""
_SAMPLES: tuple[Sample, ...] = (Users(), Orders(), Events(), Transactions(), Claims(), Tickets())


@dataclass(frozen=True, slots=True)
class Made:
    """A sample dataset: its source's rows, and the rows of each of its silver tables."""

    name: str
    rows: int
    expected: Mapping[str, int]


def make(folder: Path, world: World) -> tuple[Made, ...]:
    """Write the project into ``folder``, which is new, empty or has samples. The same ``world`` gives the same bytes.

    Raises ConfigError CLI-017 for a folder that holds something else.
    """
    platform = folder / "platform.yaml"
    ours = platform.is_file() and "medallion samples" in platform.read_text()
    if folder.exists() and any(folder.iterdir()) and not ours:
        raise ConfigError(
            "CLI-017", f"{folder} is not empty and holds no samples.", where="medallion samples",
            fix="name a new folder; nothing was written.",
        )  # fmt: skip
    (folder / "intents").mkdir(parents=True, exist_ok=True)
    first, last = world.dates[0], world.dates[-1]
    end = last.toordinal() + 1
    text = _PLATFORM.replace("START", first.isoformat()).replace("END", type(last).fromordinal(end).isoformat())
    platform.write_text(text.lstrip())
    made = []
    for sample in _SAMPLES:
        (folder / f"intents/{sample.name.partition('.')[2]}.yaml").write_text(sample.intent.lstrip())
        expected = Expected(folder / "expected")
        rows = sample.write(world, folder, expected)
        made.append(Made(sample.name, rows, dict(expected.close())))
    return tuple(made)
