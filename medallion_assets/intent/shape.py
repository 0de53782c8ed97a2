"""What a model's annotations say: which keys, which variants, what repeats. For JSON Schemas and for good errors."""

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, WithJsonSchema
from pydantic.fields import FieldInfo

from medallion_assets.intent.base import Bare
from medallion_assets.intent.tagged import Tagged, Variants

__all__ = ["Choice", "ListOf", "MapOf", "Mapped", "Scalars", "Shape", "Union_", "Variant", "field_shape", "variant_at"]

Model: TypeAlias = type[BaseModel]


@dataclass(frozen=True)
class Scalars:
    """A scalar, with the JSON Schema of what may be written."""

    schema: Mapping[str, object]


@dataclass(frozen=True)
class Choice:
    """One of these words or numbers."""

    values: tuple[str | int, ...]


@dataclass(frozen=True)
class Mapped:
    """A mapping with the keys of ``model``; text alone stands for the key ``bare``."""

    model: Model
    bare: str | None = None


@dataclass(frozen=True)
class Union_:  # noqa: N801 - typing has the other one
    """Variants by tag."""

    variants: Variants


@dataclass(frozen=True)
class ListOf:
    item: "Shape"


@dataclass(frozen=True)
class MapOf:
    value: "Shape"


Shape: TypeAlias = Scalars | Choice | Mapped | Union_ | ListOf | MapOf


def field_shape(field: FieldInfo) -> Shape:
    """Shape of one field of a model."""
    return _shape(field.annotation, field.metadata)


def _shape(annotation: Any, metadata: Sequence[object] = ()) -> Shape:
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _shape(inner, [*more, *metadata])
    for mark in metadata:
        if isinstance(mark, Tagged):
            return Union_(Variants(mark, get_args(annotation)))
        if isinstance(mark, WithJsonSchema):
            return Scalars(mark.json_schema or {})
    bare = next((mark.key for mark in metadata if isinstance(mark, Bare)), None)
    return _plain_shape(annotation, bare)


def _plain_shape(annotation: Any, bare: str | None) -> Shape:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        (inner,) = (arg for arg in args if arg is not type(None))
        return _shape(inner)
    if origin is Literal:
        return Choice(args)
    if origin is tuple:
        return ListOf(_shape(args[0]))
    if origin is dict:
        return MapOf(_shape(args[1]))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Mapped(annotation, bare)
    raise AssertionError(f"{annotation} has no shape: give it WithJsonSchema")


@dataclass(frozen=True)
class Variant:
    """The model at some place of a document, with the union and tag value by which it was chosen, if any."""

    model: Model
    variants: Variants | None = None
    tag: str = ""


def variant_at(root: Model, path: Sequence[str | int], data: object) -> Variant | None:
    """Follow ``path`` through ``data`` and tell which model describes the mapping there."""
    shape: Shape | None = Mapped(root)
    for key in (*path, None):
        found = _chosen(shape, data)
        if key is None:
            return found
        if found is not None and isinstance(key, str):
            field = found.model.model_fields.get(key)
            shape = field_shape(field) if field else None
            data = data.get(key) if isinstance(data, Mapping) else None
        elif isinstance(shape, ListOf) and isinstance(key, int):
            shape = shape.item
            data = data[key] if isinstance(data, list) and key < len(data) else data
        elif isinstance(shape, MapOf):
            shape = shape.value
            data = data.get(key) if isinstance(data, Mapping) else None
    return None


def _chosen(shape: Shape | None, data: object) -> Variant | None:
    if isinstance(shape, Mapped):
        return Variant(shape.model)
    if isinstance(shape, Union_) and isinstance(data, Mapping):
        tagged = shape.variants.tagged
        tag = (tagged.prepare(data) if tagged.prepare else data).get(tagged.tag)
        model = shape.variants.find(tag) if isinstance(tag, str) else None
        return Variant(model, shape.variants, str(tag)) if model else None
    return None
