"""The expected plan of every example, as text. ``python -m medallion_assets_tests.plan.golden`` writes them anew."""

from pathlib import Path

from medallion_assets.cli.texts import plan_text
from medallion_assets.intent.parse import parse_platform, parse_project
from medallion_assets.plan.compile import compile_plans
from medallion_assets.plan.model import DatasetPlan

EXAMPLES = sorted((Path(__file__).parents[1] / "intent" / "examples").glob("*.yaml"))
FOLDER = Path(__file__).parent / "golden"
PLATFORM = """
stores:
  lake: {type: local, root: ./lake}
  landing: {type: s3, bucket: landing}
connections:
  erp: {type: database, url: "${env:ERP_URL}"}
  postgres_prod: {type: database, url: "${env:PG_URL}"}
  sales_dw: {type: database, url: "${env:DW_URL}"}
  etldb: {type: database, url: "${env:ETL_URL}"}
  events_kafka: {type: kafka, brokers: ["b:9092"]}
channels: {data_team: {type: slack, url: "${env:SLACK_URL}"}}
"""


def plans(example: Path) -> tuple[DatasetPlan, ...]:
    platform = parse_platform(PLATFORM)
    files = {f"intents/{example.name}": example.read_text("utf-8")}
    return compile_plans(parse_project(files, platform), platform)


def text(example: Path) -> str:
    return "\n\n\n".join(plan_text(plan) for plan in plans(example)) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for example in EXAMPLES:
        (FOLDER / f"{example.stem}.txt").write_text(text(example), "utf-8")
