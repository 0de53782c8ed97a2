"""The component in a dg project's defs folder."""

import warnings
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

from medallion_assets.orchestration.component import IntentsComponent
from medallion_assets.orchestration.translator import MedallionTranslator, PlannedAsset
from medallion_assets_tests.orchestration.lakes import ORDERS, write_project


@pytest.fixture(autouse=True)
def _previews_of_the_sandbox() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Ours(MedallionTranslator):
    """Names everything below ``lake``."""

    def get_asset_spec(self, asset: PlannedAsset) -> dg.AssetSpec:
        spec = super().get_asset_spec(asset)
        return spec.replace_attributes(key=spec.key.with_prefix("lake"))


def _keys(attributes: dict[str, object]) -> set[str]:
    with create_defs_folder_sandbox() as sandbox:
        contents = {
            "type": "medallion_assets.orchestration.component.IntentsComponent",
            "attributes": attributes,
        }
        path = sandbox.scaffold_component(component_cls=IntentsComponent, defs_yaml_contents=contents)
        write_project(path / "lake", {"orders": ORDERS})
        with sandbox.load_component_and_build_defs(defs_path=path) as (component, defs):
            assert isinstance(component, IntentsComponent)
            return {spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()}


def test_a_defs_yaml_is_all_it_takes() -> None:
    assert _keys({"project": "lake"}) == {"bronze/retail/orders", "silver/sales/orders", "quality/dashboard"}


def test_template_variables_and_a_translator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_FOLDER", "lake")
    found = _keys({"project": "{{ env.LAKE_FOLDER }}", "translator": f"{__name__}:Ours"})
    assert found == {"lake/bronze/retail/orders", "lake/silver/sales/orders", "quality/dashboard"}


@pytest.mark.parametrize("translator", ["nowhere:Ours", f"{__name__}:write_project"])
def test_a_translator_that_is_none_is_refused(translator: str) -> None:
    with pytest.raises(Exception, match=r"defs\.yaml") as raised:
        _keys({"project": "lake", "translator": translator})
    assert f"translator: {translator}" in str(raised.value.__cause__)
