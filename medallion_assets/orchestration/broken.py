"""Intents that cannot be read, where people look: an asset each, whose check has failed and says why."""

import json
from collections.abc import Mapping
from hashlib import sha256

import dagster as dg

from medallion_assets.errors import Problem

__all__ = ["broken_definitions"]

CHECK = "valid"
_EVERY_S = 60


def broken_definitions(broken: Mapping[str, tuple[Problem, ...]]) -> dg.Definitions:
    """For each file the asset ``broken/<path>`` and its check; a sensor that records the checks without a run."""
    texts = {_key(file): "\n\n".join(str(problem) for problem in problems) for file, problems in broken.items()}
    specs = [
        dg.AssetSpec(
            key, group_name="broken_intents", kinds={"yaml"}, description=f"Cannot be loaded.\n\n```\n{text}\n```"
        )
        for key, text in texts.items()
    ]
    checks = [_check(key, text) for key, text in texts.items()]
    return dg.Definitions(assets=specs, asset_checks=checks, sensors=[_sensor(texts)])


def _key(file: str) -> dg.AssetKey:
    return dg.AssetKey(["broken", *file.removeprefix("intents/").removesuffix(".yaml").split("/")])


def _check(key: dg.AssetKey, text: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=key, name=CHECK, description="The file is a sound intent.")
    def valid() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description=text)

    return valid


def _sensor(texts: Mapping[dg.AssetKey, str]) -> dg.SensorDefinition:
    said = {key.to_user_string(): sha256(text.encode()).hexdigest() for key, text in texts.items()}
    cursor = json.dumps(said, sort_keys=True)

    @dg.sensor(
        name="broken_intents",
        minimum_interval_seconds=_EVERY_S,
        description="Records, once, that each broken intent is.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def tell(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        if context.cursor == cursor:
            return dg.SensorResult(skip_reason="Nothing new.")
        events = [
            dg.AssetCheckEvaluation(asset_key=key, check_name=CHECK, passed=False, metadata={}, description=text)
            for key, text in texts.items()
        ]
        return dg.SensorResult(asset_events=events, cursor=cursor)

    return tell
