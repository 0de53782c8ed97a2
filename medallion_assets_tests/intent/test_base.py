"""Types, names and the other scalars; and that no field forgets to judge its input."""

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticCustomError

from medallion_assets.intent.base import canonical_type
from medallion_assets.intent.calendar import check_cron
from medallion_assets.intent.model import Intent
from medallion_assets.intent.platform import Platform
from medallion_assets.intent.shape import ListOf, MapOf, Mapped, Shape, Union_, field_shape


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("VARCHAR(20)", "string"),
        ("Text", "string"),
        ("bool", "boolean"),
        ("integer", "int32"),
        ("BIGINT", "int64"),
        ("tinyint", "int8"),
        ("float", "float64"),
        ("double precision", "float64"),
        ("Decimal( 18 , 2 )", "decimal(18,2)"),
        ("numeric(5)", "decimal(5,0)"),
        ("decimal128(38, 38)", "decimal(38,38)"),
        ("timestamp with time zone", "timestamptz"),
        ("timestamp[us, tz=UTC]", "timestamptz"),
        ("datetime", "timestamp"),
        ("bytea", "binary"),
        ("jsonb", "json"),
    ],
)
def test_canonical_type(written: str, canonical: str) -> None:
    assert canonical_type(written) == canonical
    assert canonical_type(canonical) == canonical


@pytest.mark.parametrize(
    "written", ["", "strng", "decimal(0,0)", "decimal(2,3)", "decimal(39,1)", "int(4)", "decimal", "list"]
)
def test_no_type(written: str) -> None:
    with pytest.raises(PydanticCustomError):
        canonical_type(written)


@pytest.mark.parametrize("text", ["* * * * *", "*/5 0-6/2 1,15 jan-mar sun", "0 6 * * 1-5", "@daily", "5/10 * * * 7"])
def test_cron(text: str) -> None:
    assert check_cron(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "*/0 * * * *", "5-1 * * * *", "a * * * *", "@often", "* * 0 * *"],
)
def test_no_cron(text: str) -> None:
    with pytest.raises(PydanticCustomError):
        check_cron(text)


def models(root: type[BaseModel], seen: set[type[BaseModel]]) -> None:
    if root not in seen:
        seen.add(root)
        for field in root.model_fields.values():
            below(field_shape(field), seen)


def below(shape: Shape, seen: set[type[BaseModel]]) -> None:
    match shape:
        case Mapped():
            models(shape.model, seen)
        case Union_():
            for model in shape.variants.models:
                models(model, seen)
        case ListOf():
            below(shape.item, seen)
        case MapOf():
            below(shape.value, seen)


def test_every_field_of_every_model_has_a_shape() -> None:
    """A plain ``str`` or ``int`` would let pydantic convert what the owner wrote; field_shape refuses it."""
    seen: set[type[BaseModel]] = set()
    models(Intent, seen)
    models(Platform, seen)
    assert len(seen) > 80
    assert all(model.model_config.get("extra") == "forbid" and model.model_config.get("frozen") for model in seen)


def test_no_field_is_named_like_a_tag_value() -> None:
    seen: set[type[BaseModel]] = set()
    models(Intent, seen)
    for model in seen:
        for field in model.model_fields.values():
            shape = field_shape(field)
            if isinstance(shape, Union_):
                for tag, variant in shape.variants.by_tag.items():
                    assert tag not in variant.model_fields
