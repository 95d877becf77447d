"""A real dbt over a real DuckDB: its address is all that its OpenLineage wrapper is told, and the lineage is there."""

import os
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.servers.environments import environment
from tests.acceptance.servers.hawkeye import hawkeye
from tests.environments import without_ours

DBT_S = 300.0
_FILES = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\nmodel-paths: [models]\nseed-paths: [seeds]\n",
    "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb, threads: 1}}}\n",
    "seeds/raw_orders.csv": "id,price\n1,10\n2,20\n3,\n",
    "models/schema.yml": """version: 2
models:
  - name: orders
    columns:
      - {name: id, data_tests: [unique]}
      - {name: gross, data_tests: [not_null]}
""",
}
JOB = "shop.main.shop.orders.build.run"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in _FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_what_dbt_builds_is_walked_and_its_changed_sql_is_a_change(project: Path) -> None:
    commands = environment("dbt", "dbt-core==1.11.16", "dbt-duckdb==1.10.1", "openlineage-dbt==1.54.0")
    variables = without_ours(os.environ) | {"PATH": f"{commands}:{os.environ['PATH']}", "DO_NOT_TRACK": "1"}
    with hawkeye(project, "", {}) as url, httpx.Client(base_url=f"{url}/api/v1/lineage", timeout=30) as lineage:
        for tax in ("1.2", "1.3"):
            _build(project, tax, variables | {"OPENLINEAGE_URL": url, "DBT_PROFILES_DIR": str(project)})
        assert lineage.get("/refusals").json()["refusals"] == []
        _is_walked(lineage)
        (change,) = _asked(lineage, "changes", f"dbt:{JOB}")["changes"]
        assert (change["kind"], "1.2" in change["before"], "1.3" in change["after"]) == ("sql", True, True)


def _build(project: Path, tax: str, variables: dict[str, str]) -> None:
    (project / "models" / "orders.sql").write_text(
        f"select id, price * {tax} as gross from {{{{ ref('raw_orders') }}}}"
    )
    done = subprocess.run(
        ["dbt-ol", "build"], cwd=project, env=variables, capture_output=True, text=True, timeout=DBT_S, check=False
    )
    assert "Emitted" in done.stdout + done.stderr, done.stdout + done.stderr


def _is_walked(lineage: httpx.Client) -> None:
    found = lineage.get("/nodes", params={"contains": "shop.main.orders"}).json()["nodes"]
    (orders,) = [node["node"] for node in found if node["kind"] == "dataset"]
    around = {node["node"].rpartition(":")[2] for node in _asked(lineage, "neighbours", orders)["nodes"]}
    assert {"shop.main.raw_orders", JOB} <= around
    told = _asked(lineage, "statistics", orders)["statistics"][-1]["assertions"]
    assert {(said["assertion"], said["column"]): said["success"] for said in told} == {
        ("not_null", "gross"): False,
        ("unique", "id"): True,
    }


def _asked(lineage: httpx.Client, what: str, node: str) -> dict[str, Any]:
    answer = lineage.get(f"/{what}", params={"node": node})
    assert answer.is_success, answer.text
    return dict(answer.json())
