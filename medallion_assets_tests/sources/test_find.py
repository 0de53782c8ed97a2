"""Which files are found, in which order, and what cannot be reached."""

import os
from pathlib import Path

import pytest

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets_tests.sources.reading import read


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name in ("data/b.csv", "data/a.csv", "data/2024-01-31/x.csv", "data/2024-02-01/x.csv", "data/.hidden.csv"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"name\n{name}\n")
    return root


def names(project: Path, path: str | list[str], partition: str = "2024-01-31") -> list[str]:
    return [fact.path for fact in read(project, path, partition).files]


def test_globs_by_name_each_file_once(project: Path) -> None:
    assert names(project, "data/*.csv") == ["data/a.csv", "data/b.csv"]
    assert names(project, ["data/b.csv", "./data/*.csv"]) == ["data/a.csv", "data/b.csv"]
    assert names(project, "data/[!a].csv") == ["data/b.csv"]
    assert names(project, "data/.h*.csv") == ["data/.hidden.csv"]
    assert names(project, "*/20??-*/x.csv") == ["data/2024-01-31/x.csv", "data/2024-02-01/x.csv"]
    assert names(project, "**/x.csv") == ["data/2024-01-31/x.csv", "data/2024-02-01/x.csv"]
    assert len(names(project, "data/**")) == 4


def test_templates_name_the_partition(project: Path) -> None:
    assert names(project, "data/{run_date}/*.csv") == ["data/2024-01-31/x.csv"]
    assert names(project, "data/{run_date:%Y-%m-%d}/x.csv", "2024-02-01") == ["data/2024-02-01/x.csv"]


def test_references_are_values_not_templates(project: Path) -> None:
    odd = project / "data" / "{run_date}.csv"
    odd.write_text("a\n1\n")
    got = read(project, "data/${env:NAME}.csv", values={"${env:NAME}": "{run_date}"})
    assert [fact.path for fact in got.files] == ["data/${env:NAME}.csv"]


def test_a_missing_file_names_path_and_template(project: Path) -> None:
    with pytest.raises(ExtractionError) as caught:
        read(project, "data/o_{run_date}.csv")
    assert caught.value.code == "SRC-002"
    assert "data/o_2024-01-31.csv" in str(caught.value)
    assert "data/o_{run_date}.csv" in str(caught.value)


def test_each_path_must_match(project: Path) -> None:
    with pytest.raises(ExtractionError, match=r"data/c\.csv"):
        read(project, ["data/a.csv", "data/c.csv"])


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.csv", "data/../../x.csv", "~/x.csv", "data/\0", "."])
def test_paths_that_leave_the_project(project: Path, path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(project, path)
    assert caught.value.code == "SRC-003"


@pytest.mark.parametrize("path", ["data/link.csv", "data/l*.csv", "data/away/*.csv", "data/away/x.csv", "*/away/x.csv"])
def test_links_out_of_the_project_are_not_followed(project: Path, path: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.csv").write_text("secret\n1\n")
    (project / "data/link.csv").symlink_to(outside / "x.csv")
    (project / "data/away").symlink_to(outside)
    with pytest.raises(ExtractionError) as caught:
        read(project, path)
    assert caught.value.code == "SRC-003"


def test_links_within_the_project_are_files(project: Path) -> None:
    (project / "data/z.csv").symlink_to(project / "data/a.csv")
    assert read(project, "data/z.csv").table == [("data/a.csv",)]


def test_two_stars_do_not_follow_links(project: Path) -> None:
    (project / "data/loop").symlink_to(project / "data")
    assert names(project, "**/b.csv") == ["data/b.csv"]


def test_folders_pipes_and_the_like_are_no_files(project: Path) -> None:
    os.mkfifo(project / "data/pipe.csv")
    for path in ("data", "data/pipe.csv", "data/p*.csv"):
        with pytest.raises(ExtractionError) as caught:
            read(project, path)
        assert caught.value.code == "SRC-004"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(project: Path) -> None:
    (project / "data/a.csv").chmod(0)
    with pytest.raises(ExtractionError) as caught:
        read(project, "data/a.csv")
    assert caught.value.code == "SRC-005"


def test_a_link_in_a_circle_cannot_be_read(project: Path) -> None:
    (project / "data/c.csv").symlink_to(project / "data/c.csv")
    with pytest.raises(ExtractionError) as caught:
        read(project, "data/c.csv")
    assert caught.value.code == "SRC-005"


def test_odd_names(project: Path) -> None:
    for name in ("größe 中.csv", "מחיר.csv", "🙂.csv", "a{b}.csv"):
        (project / name).write_text("a\n1\n")
    assert names(project, "*.csv") == ["a{b}.csv", "größe 中.csv", "מחיר.csv", "🙂.csv"]
    assert names(project, "a{{b}}.csv") == ["a{b}.csv"]
