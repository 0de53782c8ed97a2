"""A project of intents as a component of a ``dg`` project: a ``defs.yaml`` beside them instead of Python."""

import importlib
from pathlib import Path

import dagster as dg

from medallion_assets.orchestration.definitions import load_definitions
from medallion_assets.orchestration.translator import MedallionTranslator

__all__ = ["IntentsComponent"]


class IntentsComponent(dg.Component, dg.Model, dg.Resolvable):
    """Bronze, silver, checks, schedules and sensors of the intents in a folder."""

    project: str = "."
    """Folder that holds intents/ and platform.yaml, relative to the one of defs.yaml."""
    env: str | None = None
    """Which platform.<env>.yaml overlays platform.yaml."""
    translator: str | None = None
    """``package.module:Class``, a subclass of MedallionTranslator that names assets your way."""

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Called by Dagster. Raises DagsterInvalidDefinitionError for a project or translator that cannot be read."""
        return load_definitions(Path(context.path) / self.project, self.env, self._translator())

    def _translator(self) -> MedallionTranslator | None:
        if self.translator is None:
            return None
        module, _, name = self.translator.partition(":")
        try:
            found = getattr(importlib.import_module(module), name)
            made: object = found()
        except Exception as error:
            raise dg.DagsterInvalidDefinitionError(f"translator: {self.translator} cannot be made: {error}") from error
        if not isinstance(made, MedallionTranslator):
            raise dg.DagsterInvalidDefinitionError(f"translator: {self.translator} is no MedallionTranslator.")
        return made
