"""``extends``, platform defaults and overlays."""

from datetime import date
from textwrap import dedent

import pytest

from medallion_assets.errors import InvalidProject
from medallion_assets.intent.load import Full, Incremental
from medallion_assets.intent.model import Intent
from medallion_assets.intent.parse import parse_platform, parse_project
from medallion_assets.intent.platform import S3, Local, Platform
from medallion_assets.intent.silver import Scd1, Scd2
from medallion_assets.intent.source import Database, File

ORDERS = "system: retail\ntable: orders\nsource: {type: file, path: orders.csv}\n"


def parse(platform: str | None = None, **files: str) -> list[Intent]:
    """Files by name: ``orders`` is intents/orders.yaml, ``_base`` intents/_base.yaml, ``sub__x`` intents/sub/x.yaml."""
    texts = {f"intents/{name.replace('__', '/')}.yaml": dedent(text) for name, text in files.items()}
    known = Platform() if platform is None else parse_platform(dedent(platform))
    return [located.intent for located in parse_project(texts, known)]


def refused(platform: str | None = None, **files: str) -> str:
    with pytest.raises(InvalidProject) as caught:
        parse(platform, **files)
    return str(caught.value)


def test_bases_are_no_intents_and_merge_deeply() -> None:
    (intent,) = parse(
        _root="owners: [a, b]\ntags: {team: x, tier: gold}\nload: {pattern: incremental, chunk: {rows: 5}}\n",
        _base="extends: _root.yaml\ntags: {team: y}\ndescription: from base\n",
        sub__orders=ORDERS + "extends: ../_base.yaml\nowners: c\nload: {chunk: {bytes: 1MiB}}\n",
    )
    assert (intent.owners, intent.tags, intent.description) == (("c",), {"team": "y", "tier": "gold"}, "from base")
    assert isinstance(intent.load, Incremental)
    assert (intent.load.chunk.rows, intent.load.chunk.bytes) == (5, 2**20)


def test_null_removes() -> None:
    (intent,) = parse(
        _base="description: x\nschedule: '0 6 * * *'\nmeta: {a: 1, b: 2}\n",
        orders=ORDERS + "extends: _base.yaml\nschedule: null\nmeta: {a: ~}\n",
    )
    assert (intent.description, intent.schedule, intent.meta) == ("x", None, {"b": 2})


def test_null_removes_nothing_that_is_not_there() -> None:
    assert refused(_base="description: x\n", orders=ORDERS + "extends: _base.yaml\nentity: null\n").startswith(
        "INT-008"
    )


def test_a_changed_tag_replaces_the_mapping() -> None:
    base = "source: {type: database, connection: erp, timeout: 5m}\nload: {pattern: incremental, cursor: {column: a}}\n"
    (intent,) = parse(
        _base=base + "silver: {model: scd_type_2, keys: id, track: a}\n",
        orders=ORDERS + "extends: _base.yaml\nload: full\nsilver: {profile: operational, keys: key}\n",
    )
    assert intent.source == File(type="file", path=("orders.csv",))
    assert intent.load == Full(pattern="full")
    assert intent.silver == (Scd1(model="scd_type_1", keys=("key",)),)


def test_the_same_tag_keeps_the_mapping() -> None:
    base = "source: {type: database, connection: erp, timeout: 5m}\nload: {pattern: incremental, cursor: {column: a}}\n"
    (intent,) = parse(
        _base=base + "silver: {entity_kind: state, keys: id}\n",
        orders="extends: _base.yaml\nsystem: a\ntable: b\nload: incremental\n"
        "silver: {model: scd_type_2, order_by: a}\n",
    )
    assert isinstance(intent.source, Database)
    assert isinstance(intent.load, Incremental)
    assert intent.load.cursor is not None
    assert intent.silver == (Scd2(model="scd_type_2", keys=("id",), order_by=("a",)),)


def test_type_is_an_ordinary_key_elsewhere() -> None:
    (intent,) = parse(
        _base="columns: {a: {type: string, pii: true}}\nmeta: {type: x, more: y}\n",
        orders=ORDERS + "extends: _base.yaml\ncolumns: {a: {type: int}}\nmeta: {type: z}\n",
    )
    assert (intent.columns["a"].type, intent.columns["a"].pii) == ("int32", True)
    assert intent.meta == {"type": "z", "more": "y"}


def test_defaults_come_before_bases() -> None:
    (intent,) = parse(
        "defaults: {partitions: {start: 2024-01-01, timezone: Europe/Berlin}, schema_mode: strict, tags: {a: b}}\n",
        _base="schema_mode: auto\n",
        orders=ORDERS + "extends: _base.yaml\npartitions: {timezone: UTC}\n",
    )
    assert (intent.partitions.start, intent.partitions.timezone) == (date(2024, 1, 1), "UTC")
    assert (intent.schema_mode, intent.tags) == ("auto", {"a": "b"})


def test_a_default_without_a_tag_makes_no_silver() -> None:
    platform = "defaults: {silver: {normalize: {trim_strings: true}}, load: {compression: snappy}}\n"
    bare, full = parse(
        platform,
        orders=ORDERS,
        users=ORDERS.replace("orders", "users") + "load: full\nsilver: {model: scd_type_1, keys: id}\n",
    )
    assert (bare.silver, bare.load) == ((), None)
    assert full.silver[0].normalize.trim_strings
    assert full.load == Full(pattern="full", compression="snappy")


def test_errors_name_the_file_that_the_value_came_from() -> None:
    answer = refused(
        "\ndefaults:\n  schema_mode: loose\n",
        _base="\n\npartitions: {cadence: dayly}\n",
        orders=ORDERS + "extends: _base.yaml\n",
        users="system: a\ntable: users\nsource: {type: python, function: p:f}\n",
    )
    assert [line for line in answer.splitlines() if line.startswith("INT")] == [
        "INT-041  intents/_base.yaml:3:23  partitions.cadence",
        "INT-007  platform.yaml:3:16  schema_mode",
    ]


def test_a_circle_of_bases() -> None:
    assert refused(_a="extends: _b.yaml\n", _b="extends: _a.yaml\n", orders=ORDERS + "extends: _a.yaml\n") == (
        "INT-014  intents/_b.yaml:1:10  extends\n"
        "  The bases go in a circle: intents/_a.yaml → intents/_b.yaml → intents/_a.yaml.\n"
        "  Fix: remove one `extends`."
    )


@pytest.mark.parametrize("target", ["../../etc/passwd", "/etc/passwd", "_bas.yaml"])
def test_only_files_of_the_project_are_bases(target: str) -> None:
    assert refused(_base="enabled: true\n", orders=ORDERS + f"extends: {target}\n").startswith("INT-014")


def test_a_base_of_two_documents() -> None:
    answer = refused(_base="enabled: true\n---\nenabled: false\n", orders=ORDERS + "extends: _base.yaml\n")
    assert "'intents/_base.yaml' holds 2 documents." in answer


def test_a_broken_base_is_said_once() -> None:
    answer = refused(_base="description: @x\n", orders=ORDERS + "extends: _base.yaml\n")
    assert answer.count("INT-") == 1
    assert answer.startswith("INT-020  intents/_base.yaml:1:14")


def test_refresh_source_is_judged_with_what_it_lies_over() -> None:
    load = "load: {pattern: incremental, full_refresh: {every: 7d, source: {path: all.csv, formt: csv}}}\n"
    assert refused(orders=ORDERS + load).splitlines()[0] == "INT-003  intents/orders.yaml:4:80  source.formt"
    assert parse(orders=ORDERS + load.replace(", formt: csv", ", format: csv"))[0].load is not None


# ------------------------------------------------------------------------------------------------ platform


def test_without_a_platform_file() -> None:
    assert parse_platform(None) == Platform()
    assert Platform().stores == {"lake": Local(type="local", root="./lake", boundary="onprem")}


def test_overlay() -> None:
    platform = parse_platform(
        "stores: {lake: {type: local, root: ./lake}, landing: {type: local, root: ./in}}\nenvironment: dev\n",
        "stores: {lake: {type: s3, bucket: b, verify_tls: false}, landing: {root: ./elsewhere}}\nenvironment: prod\n",
    )
    assert platform.environment == "prod"
    assert platform.stores == {
        "lake": S3(type="s3", bucket="b", verify_tls=False),
        "landing": Local(type="local", root="./elsewhere"),
    }


def test_errors_of_an_overlay_name_it() -> None:
    with pytest.raises(InvalidProject) as caught:
        parse_platform(
            "stores: {lake: {type: local, root: a}}\n", "stores: {lake: {rot: b}}\n", overlay_name="platform.ci.yaml"
        )
    assert caught.value.problems[0].where == "platform.ci.yaml:1:17  stores.lake.rot"


def test_the_whole_platform_grammar() -> None:
    platform = parse_platform(
        dedent("""\
        environment: dev
        env_file: .env
        stores:
          lake: {type: local, root: ./lake, boundary: onprem}
          far: {type: s3, bucket: b, endpoint_url: "https://s3.example.com", secret_key: "${env:KEY:-x}"}
          cold: {type: azure, account: a, container: c, credential: managed_identity}
        bronze: {store: lake, prefix: bronze}
        silver: {store: far, prefix: silver}
        connections:
          erp: {type: database, url: "${secret:aws:erp#url}", max_concurrent: 4}
          crm:
            type: api
            base_url: "https://crm.example.com"
            auth: {type: bearer, token: "${env:CRM_TOKEN}"}
            rate_limit: {requests_per_second: 5}
          bus:
            type: kafka
            brokers: ["b:9092"]
            security: {protocol: sasl_ssl}
            schema_registry: {url: "https://registry.example.com"}
        channels: {data_team: {type: slack, url: "${env:SLACK_URL}"}}
        defaults: {partitions: {start: 2024-01-01}, schema_mode: lenient}
        engines: {memory: 4GiB}
        secrets: {cache: 5m}
        policy: {storage_scope: any, env_allow: ["CRM_*"], classification: {restricted: [lake]}}
        observability: {metrics: [], traces: {}, lineage: {}, logs: {level: info, format: human}}
        """)
    )
    assert set(platform.connections) == {"erp", "crm", "bus"}
    assert (platform.engines.memory, platform.policy.env_allow) == (4 * 2**30, ("CRM_*",))
    assert platform.policy.classification == {"restricted": ("lake",)}
