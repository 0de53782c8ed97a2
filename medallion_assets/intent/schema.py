"""JSON Schemas of the intent file, for editors.

Tag unions are ``if``/``then`` and never ``oneOf``, because editors answer ``oneOf`` with the wrong variant. There are
no null branches: a null is an error or, under ``extends``, removes a key.
"""

import ast
import inspect
import sys
from collections.abc import Mapping
from functools import cache
from typing import TypeAlias

from pydantic import BaseModel

from medallion_assets.intent.model import Intent
from medallion_assets.intent.shape import Choice, ListOf, MapOf, Mapped, Scalars, Shape, Union_, field_shape
from medallion_assets.intent.silver import MEANINGS, SPELLINGS

__all__ = ["json_schemas"]

Object: TypeAlias = dict[str, object]

_DIALECT = "http://json-schema.org/draft-07/schema#"


def json_schemas() -> Mapping[str, Mapping[str, object]]:
    """Two schemas (draft 7): ``intent``, and ``base`` in which nothing is required, for files named ``_….yaml``.

    ``intent`` applies the rules of ``base`` to a document that has ``extends``.
    """
    whole, part = _Writer(partial=False), _Writer(partial=True)
    whole_ref, part_ref = whole.mapping(Intent), part.mapping(Intent)
    return {
        "intent": {
            "$schema": _DIALECT,
            "title": "Intent",
            "type": "object",
            "if": {"required": ["extends"]},
            "then": part_ref,
            "else": whole_ref,
            "definitions": {**whole.definitions, **part.definitions},
        },
        "base": {"$schema": _DIALECT, "title": "Base of intents", **part_ref, "definitions": part.definitions},
    }


class _Writer:
    """Collects one definition a model."""

    def __init__(self, *, partial: bool) -> None:
        self.partial = partial
        self.definitions: Object = {}

    def mapping(self, model: type[BaseModel], tag: str | None = None) -> Object:
        """Reference to the definition of a model; ``tag`` is demanded by the union and not here."""
        name = model.__name__ + ("Part" if self.partial else "")
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = self._object(model, tag)
        return {"allOf": [{"$ref": f"#/definitions/{name}"}]}

    def _object(self, model: type[BaseModel], tag: str | None) -> Object:
        described = _descriptions(model)
        properties: Object = {}
        for key, field in model.model_fields.items():
            written = self.schema(field_shape(field))
            if key in described:
                written = {**written, "description": described[key]}
            if isinstance(field.default, str | int | float) and field.default != "":
                written = {**written, "default": field.default}
            properties[key] = written
        if model is Intent:
            properties["extends"] = {"type": "string", "description": "Path of a base, relative to this file."}
        if tag == "model":
            properties |= {key: {"enum": list(values)} for key, values in SPELLINGS.items()}
        required = [key for key, field in model.model_fields.items() if field.is_required() and key != tag]
        return {
            "type": "object",
            "description": inspect.getdoc(model) if model.__doc__ else model.__name__,
            "properties": properties,
            "additionalProperties": False,
            **({"required": required} if required and not self.partial else {}),
        }

    def schema(self, shape: Shape) -> Object:
        """Schema of any shape."""
        match shape:
            case Scalars():
                return dict(shape.schema)
            case Choice():
                return {"enum": list(shape.values)}
            case MapOf():
                return {"type": "object", "additionalProperties": self.schema(shape.value)}
            case ListOf():
                item = self.schema(shape.item)
                return {"if": {"type": "array"}, "then": {"items": item}, "else": item}
            case Mapped():
                return self._mapped(shape)
            case Union_():
                return self._union(shape)

    def _mapped(self, shape: Mapped) -> Object:
        whole = self.mapping(shape.model)
        if shape.bare is None:
            return whole
        alone = self.schema(field_shape(shape.model.model_fields[shape.bare]))
        return {"if": {"type": "object"}, "then": whole, "else": alone}

    def _union(self, union: Union_) -> Object:
        tag, by_tag = union.variants.tagged.tag, union.variants.everything()
        choices = [
            {"if": _has(tag, value), "then": self.mapping(model, tag)} for value, model in sorted(by_tag.items())
        ]
        must: Object = {"required": [tag]}
        keys: Object = {tag: {"enum": sorted(by_tag)}}
        if tag == "model":
            choices += [
                {"if": {"allOf": [_has(key, value) for key, value in said], "not": {"required": ["model"]}},
                 "then": self.mapping(by_tag[model], tag)}
                for said, model in MEANINGS
            ]  # fmt: skip
            keys |= {key: {"enum": list(values)} for key, values in SPELLINGS.items()}
            must = {
                "if": {"not": {"anyOf": [{"required": [key]} for key in SPELLINGS]}},
                "then": {"required": ["model"]},
            }
        alone = [
            value
            for value, model in sorted(by_tag.items())
            if all(key == tag or not field.is_required() for key, field in model.model_fields.items())
        ]
        whole: Object = {"type": "object", "properties": keys, "allOf": [*choices, *([] if self.partial else [must])]}
        if not alone:
            return whole
        return {"if": {"type": "string"}, "then": {"enum": alone}, "else": whole}


def _has(key: str, value: str) -> Object:
    return {"properties": {key: {"const": value}}, "required": [key]}


@cache
def _module_descriptions(module: str) -> Mapping[str, Mapping[str, str]]:
    """Text under each field of each class of a module."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: _field_texts(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _field_texts(node: ast.ClassDef) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for before, after in zip(node.body, node.body[1:], strict=False):
        match before, after:
            case ast.AnnAssign(target=ast.Name(id=key)), ast.Expr(value=ast.Constant(value=str() as text)):
                found[key] = inspect.cleandoc(text)
    return found


def _descriptions(model: type[BaseModel]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            found |= _module_descriptions(base.__module__).get(base.__name__, {})
    return found
