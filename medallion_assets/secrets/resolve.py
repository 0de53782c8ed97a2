"""``${env:NAME}``, ``${env:NAME:-default}`` and ``${secret:file:PATH}`` become values; ``$${`` stands for ``${``.

The only code that turns a reference into a value. It runs when a source or store is opened, never when a project is
read, and remembers what it gave out, so that texts that leave can be scrubbed of it.
"""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote

from medallion_assets.errors import ConfigError
from medallion_assets.intent.platform import Policy

__all__ = ["Resolver", "read_env_file"]

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_ENV_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*\Z")
_CLOUDS = {"aws": "AWS Secrets Manager", "azure": "Azure Key Vault", "gcp": "Google Secret Manager"}


class Resolver:
    """Values for references. ``env`` wins over ``env_file``; a relative ``${secret:file:…}`` lies below ``root``."""

    def __init__(
        self, policy: Policy, env: Mapping[str, str], env_file: Mapping[str, str], root: Path = Path()
    ) -> None:
        self._allow = policy.env_allow
        self._env = {**env_file, **env}
        self._root = root
        self._given: set[str] = set()

    @property
    def given(self) -> frozenset[str]:
        """Every value handed out so far: what may not appear in a text that leaves."""
        return frozenset(self._given)

    def text(self, reference: str) -> str:
        """``reference`` with every reference in it replaced; percent-encoded inside a URL.

        A text that is one reference and nothing else is the value as it is. Raises ConfigError: PLN-020 not a
        reference, PLN-021 no value, PLN-022 refused by the policy, PLN-023 a vault this version cannot read.
        """
        encode = _URL.match(reference) is not None

        def replace(match: re.Match[str]) -> str:
            if match[0] == "$${":
                return "${"
            value = self._value(match[1])
            self._given.add(value)
            return quote(value, safe="") if encode else value

        return _REFERENCE.sub(replace, reference)

    def _value(self, inside: str) -> str:
        kind, _, rest = inside.partition(":")
        if kind == "env":
            name, has_default, default = rest.partition(":-")
            return self._variable(name, default if has_default else None)
        vault, _, name = rest.partition(":")
        if kind == "secret" and vault == "file" and name:
            return self._file(name)
        if kind == "secret" and vault in _CLOUDS:
            raise ConfigError(
                "PLN-023",
                f"This version cannot read {_CLOUDS[vault]}.",
                where=f"${{{inside}}}",
                fix="give the value in an environment variable (${env:NAME}) or a file (${secret:file:PATH}).",
            )
        raise _malformed(inside)

    def _variable(self, name: str, default: str | None) -> str:
        if not _NAME.match(name):
            raise _malformed(f"env:{name}")
        if self._allow is not None and not any(fnmatchcase(name, pattern) for pattern in self._allow):
            raise ConfigError(
                "PLN-022",
                f"The platform does not let intents read the environment variable {name}.",
                where=f"${{env:{name}}}",
                fix="add it to `policy.env_allow` in platform.yaml, or use one that is allowed.",
            )
        value = self._env.get(name, default)
        if value is None:
            raise ConfigError(
                "PLN-021",
                f"The environment variable {name} is not set.",
                where=f"${{env:{name}}}",
                fix=f"set {name}, write it to the .env file, or give a default: ${{env:{name}:-…}}.",
            )
        return value

    def _file(self, name: str) -> str:
        try:
            return (self._root / name).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            raise ConfigError(
                "PLN-021",
                f"The secret file cannot be read: {reason}.",
                where=f"${{secret:file:{name}}}",
                fix="check the path and who may read it; the file holds the value alone.",
            ) from None


def read_env_file(text: str) -> dict[str, str]:
    """``NAME=value`` a line, optionally after ``export``, in quotes or not; ``#`` starts a comment line."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        match = None if line.lstrip().startswith("#") else _ENV_LINE.match(line)
        if match is not None:
            value = match[2]
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            values[match[1]] = value[1:-1] if quoted else value
    return values


def _malformed(inside: str) -> ConfigError:
    return ConfigError(
        "PLN-020",
        f"'${{{inside}}}' is not a reference.",
        where=f"${{{inside}}}",
        fix="write ${env:NAME}, ${env:NAME:-default} or ${secret:file:PATH}; `$${` for the characters themselves.",
    )
