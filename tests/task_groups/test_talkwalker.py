"""The task group, the example DAG and the README's DAG, in a real Airflow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, TaskGroup

from airflow_provider_twexport.exceptions import InvalidRequestError
from airflow_provider_twexport.operators.talkwalker import TalkwalkerCreateExportOperator
from airflow_provider_twexport.storage import ledger, manifest
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.purchasing.collector_names import is_helper
from airflow_provider_twexport.task_groups.talkwalker import talkwalker_export
from tests.running_dags import dags_in
from tests.waiting import QUICK

if TYPE_CHECKING:
    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("talkwalker_connection", "quick_timing")


def pipeline(path: Path, **arguments: Any) -> DAG:
    """Return a DAG of one task group."""
    with DAG("pipeline", schedule=None) as dag:
        defaults = {"limit": 500, "poke_interval": 0.3, "start": "2024-01-01", "stop": "2024-02-01"}
        talkwalker_export("export", object_storage_path=f"file://{path}", **(defaults | arguments))
    return dag


def test_the_pipeline_lands_and_cleans_up(run_dag: DagRunner, simulator: Simulator, tmp_path: Path) -> None:
    """Collector, export, wait, landing, and no collector left behind."""
    simulator.settings(queue_seconds=1)
    run = run_dag(pipeline(tmp_path))
    assert run.state == "success"
    assert manifest.read(tmp_path).results == 500
    assert list(manifest.verify(tmp_path)) == []
    left = TalkwalkerClient(simulator.token, simulator.url, QUICK).list_collectors()
    assert [it.id for it in left if not is_helper(it.id)] == []


def test_a_lake_can_prune_by_the_window(run_dag: DagRunner, simulator: Simulator, tmp_path: Path) -> None:
    """With partition_by each window has its directory, also for a run that finds it done."""
    for _ in range(2):
        run = run_dag(pipeline(tmp_path, partition_by="month"))
        assert run.results["export.to_object_storage"]["manifest"] == (
            f"file://{tmp_path}/year=2024/month=01/_manifest.json"
        )
    assert simulator.ledger()["credits"]["charged_total"] == 500


def test_running_it_again_buys_and_reads_nothing(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """Also though its collector was deleted after the first run."""
    first = run_dag(pipeline(tmp_path))
    reads = simulator.ledger()["counts"]["GET /api/v3/stream/c/{collector_id}/results"]
    again = run_dag(pipeline(tmp_path))
    assert again.state == "success"
    assert again.results["export.to_object_storage"] == first.results["export.to_object_storage"]
    assert simulator.ledger()["credits"]["charged_total"] == 500
    assert simulator.ledger()["counts"]["GET /api/v3/stream/c/{collector_id}/results"] == reads


def test_clearing_the_order_alone_buys_nothing(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """Its collector is deleted and not created again; what it brought has landed."""
    first = run_dag(pipeline(tmp_path)).results["export.create_export"]
    with DAG("cleared", schedule=None) as dag:
        TalkwalkerCreateExportOperator(
            task_id="create_export",
            collector_id=first["collector_id"],
            start="2024-01-01",
            stop="2024-02-01",
            limit=500,
            object_storage_path=f"file://{tmp_path}",
        )
    assert run_dag(dag).results["create_export"] == first | {"adopted": True}
    assert simulator.ledger()["credits"]["charged_total"] == 500


def test_results_that_were_deleted_unlanded_are_an_error_at_once(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """A copied pipeline finds the export, but its collector was deleted: the order fails before the wait."""
    run_dag(pipeline(tmp_path / "here"))
    run = run_dag(pipeline(tmp_path / "there"))
    assert run.states["export.create_export"] == "failed"
    assert "which was deleted since" in run.log
    assert "Nothing of this window has landed at" in run.log
    assert simulator.ledger()["credits"]["charged_total"] == 500


def test_buying_again_replaces_what_has_landed(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """With if_exists='recreate' the window is paid again, and its directory holds the new landing only."""
    first = run_dag(pipeline(tmp_path))
    again = run_dag(pipeline(tmp_path, if_exists="recreate"))
    assert again.state == "success"
    assert simulator.ledger()["credits"]["charged_total"] == 1_000
    bought = again.results["export.create_export"]["export_id"]
    assert bought != first.results["export.create_export"]["export_id"]
    assert manifest.read(tmp_path).source["export_id"] == bought


GONE = {"match": {"method": "GET", "path": "/tasks/export/."}, "fault": "error", "code": 15, "http": 404}


def test_a_landing_that_the_service_has_forgotten_is_kept(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """Its list no longer shows the export, nor does it know it by its id: nothing is bought, and the landing stays."""
    first = run_dag(pipeline(tmp_path))
    landed = manifest.read(tmp_path)
    simulator.settings(list_keeps=0)
    simulator.faults(GONE | {"times": None})
    again = run_dag(pipeline(tmp_path))
    assert again.state == "success"
    assert again.results["export.create_export"] == first.results["export.create_export"] | {
        "adopted": True,
        "manifest": f"file://{tmp_path}/_manifest.json",
    }
    assert again.results["export.wait_for_export"] == first.results["export.wait_for_export"]
    assert manifest.read(tmp_path) == landed
    assert simulator.ledger()["credits"]["charged_total"] == 500


@pytest.mark.parametrize("delete_collector", [False, True])
def test_a_landing_that_lost_a_part_is_no_witness(
    delete_collector: bool, run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """It lands again while the collector is there; else the order stops, names the part, and buys nothing."""
    run_dag(pipeline(tmp_path, delete_collector=delete_collector))
    before = manifest.read(tmp_path)
    (tmp_path / before.parts[-1].name).unlink()
    run = run_dag(pipeline(tmp_path, delete_collector=delete_collector, default_args={"retries": 0}))
    assert run.state == ("failed" if delete_collector else "success")
    assert (f"{before.parts[-1].name} is missing" in run.log) or not delete_collector
    assert simulator.ledger()["credits"]["charged_total"] == 500
    assert (manifest.verify(tmp_path) == []) is not delete_collector
    assert all((tmp_path / part.name).exists() for part in before.parts[:-1] if delete_collector)


def test_an_export_that_the_list_has_forgotten_is_asked_for_by_its_id(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """The landing names it, and so does the ledger, where the landing is gone."""
    first = run_dag(
        pipeline(tmp_path / "lake", ledger_path=f"file://{tmp_path}/books", delete_collector=False)
    )
    simulator.settings(list_keeps=0)
    for lake in ("lake", "elsewhere"):
        again = run_dag(
            pipeline(tmp_path / lake, ledger_path=f"file://{tmp_path}/books", delete_collector=False)
        )
        assert again.results["export.create_export"] == first.results["export.create_export"] | {
            "adopted": True
        }
        assert again.state == "success"
    assert simulator.ledger()["credits"]["charged_total"] == 500


def test_results_that_expired_after_they_landed_are_adopted(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """After 7 days Talkwalker no longer has them; the landing of this window has them all."""
    simulator.control("time", {"offset_seconds": -8 * 86_400})
    run_dag(pipeline(tmp_path))
    simulator.control("time", {"offset_seconds": 0})
    run = run_dag(pipeline(tmp_path))
    assert run.state == "success"
    assert run.results["export.create_export"]["manifest"] == f"file://{tmp_path}/_manifest.json"
    assert simulator.ledger()["credits"]["charged_total"] == 500


def test_expired_results_name_their_landing(run_dag: DagRunner, simulator: Simulator, tmp_path: Path) -> None:
    """The error about an export that is older than 7 days says what of it has landed."""
    simulator.control("time", {"offset_seconds": -8 * 86_400})
    run_dag(pipeline(tmp_path / "here"))
    simulator.control("time", {"offset_seconds": 0})
    run = run_dag(pipeline(tmp_path / "there"))
    assert run.states["export.create_export"] == "failed"
    assert "Nothing of this window has landed at" in run.log
    assert simulator.ledger()["credits"]["charged_total"] == 500


def test_the_ledger_records_who_paid_and_where_it_landed(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """One run buys, lands and deletes; a second adopts; the window costs once."""
    simulator.settings(queue_seconds=1)
    lake, books = tmp_path / "lake", f"file://{tmp_path}/lake/_ledger"
    first = run_dag(pipeline(lake, ledger_path=books))
    run_dag(pipeline(lake, ledger_path=books))
    (entry,) = (found := ledger.read(lake / "_ledger")).exports
    assert (str(entry.state), entry.status, found.credits) == ("truncated", "result_limit_reached", 500)
    document = entry.to_json()
    assert document["export_id"] == first.results["export.create_export"]["export_id"]
    assert (document["limit"], document["project_id"]) == (500, simulator.project_id)
    assert document["window"] == {"start": "2024-01-01T00:00:00Z", "stop": "2024-02-01T00:00:00Z"}
    assert document["bought_by"]["dag_id"] == "pipeline"
    assert len(document["adopted_by"]) == 1
    assert document["deleted_at"]
    (landing,) = document["landings"]
    assert (landing["manifest"], landing["results"]) == (f"file://{lake}/_manifest.json", 500)


def test_a_ledger_that_cannot_be_written_stops_nothing(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was bought lands; the log says what the ledger does not record, and why."""
    (tmp_path / "a-file").write_text("in the way")
    run = run_dag(pipeline(tmp_path / "lake", ledger_path=f"file://{tmp_path}/a-file/_ledger"))
    assert run.state == "success"
    assert manifest.read(tmp_path / "lake").results == 500
    for what in ("ordered", "ended", "landed", "deleted"):
        assert re.search(rf"does not record that export \S+ is {what} \(\w+Error: .*a-file", caplog.text)


def slow(path: Path, **arguments: Any) -> DAG:
    """Return the pipeline with a wait that is over long before the export has ended."""
    return pipeline(path, default_args={"timeout": 2.5}, **arguments)


def test_what_was_exported_before_an_abort_lands(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """It is paid for; the run fails all the same, and the manifest says that it is a part, and why."""
    simulator.settings(results_per_second=10)
    run = run_dag(slow(tmp_path, ledger_path=f"file://{tmp_path}/_ledger"))
    assert run.state == "failed"
    assert run.states == {
        "export.create_collector": "success",
        "export.create_export": "success",
        "export.wait_for_export": "failed",
        "export.salvage": "success",
        "export.to_object_storage": "upstream_failed",
        "export.delete_collector": "upstream_failed",
    }
    found = manifest.read(tmp_path)
    assert (found.complete, found.source["status"]) == (False, "aborted")
    assert found.results == simulator.ledger()["credits"]["charged_total"] > 0
    assert "Its export ended as aborted" in str(found.incomplete_because)
    assert list(manifest.verify(tmp_path)) == []
    (entry,) = ledger.read(tmp_path / "_ledger").exports
    assert (str(entry.state), entry.status, entry.credits) == ("partial", "aborted", found.results)


def test_buying_the_window_again_replaces_the_part(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """What the first export brought is in the second one, too: the directory holds each result once."""
    simulator.settings(results_per_second=10)
    run_dag(slow(tmp_path))
    part = manifest.read(tmp_path)
    simulator.settings(results_per_second=None)
    run = run_dag(slow(tmp_path))
    assert (run.state, run.states["export.salvage"]) == ("success", "skipped")
    whole = manifest.read(tmp_path)
    assert (whole.complete, whole.results, whole.incomplete_because) == (True, 500, None)
    assert whole.source["export_id"] != part.source["export_id"]
    assert list(manifest.verify(tmp_path)) == []
    assert simulator.ledger()["credits"]["charged_total"] == part.results + 500


def test_a_part_never_replaces_a_whole_landing(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """A window that is bought again and breaks off leaves what had landed before."""
    run_dag(slow(tmp_path))
    before = manifest.read(tmp_path)
    simulator.settings(results_per_second=10)
    run = run_dag(slow(tmp_path, if_exists="recreate"))
    assert (run.states["export.wait_for_export"], run.states["export.salvage"]) == ("failed", "failed")
    assert "holds 500 results of another export" in run.log
    assert manifest.read(tmp_path) == before
    assert list(manifest.verify(tmp_path)) == []


def test_nothing_is_salvaged_where_nothing_was_bought(run_dag: DagRunner, tmp_path: Path) -> None:
    """The order fails; the salvage has nothing to do, and says so by its state."""
    run = run_dag(pipeline(tmp_path, query='"unbalanced'))
    assert (run.state, run.states["export.salvage"]) == ("failed", "skipped")


@pytest.mark.parametrize("salvage", [True, False])
def test_what_follows_the_group_runs_if_all_landed(
    salvage: bool, run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """Though the salvage is skipped then; and without a salvage there is no such task."""
    dag = pipeline(tmp_path, salvage=salvage, delete_collector=False)
    with dag:
        dag.task_group.children["export"] >> EmptyOperator(task_id="next")
    run = run_dag(dag)
    assert (run.state, run.states["next"]) == ("success", "success")
    assert run.states.get("export.salvage") == ("skipped" if salvage else None)


@pytest.mark.parametrize("how", ["interval", "configuration"])
def test_the_example_dag_lands_its_window(
    how: str, run_dag: DagRunner, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduled run takes its data interval, a triggered one its configuration; each has its directory."""
    monkeypatch.setenv("TWEXPORT_DESTINATION", f"file://{tmp_path}")
    monkeypatch.setenv("TWEXPORT_POKE_SECONDS", "0.3")
    dag = dags_in(ROOT / "dags").dags["talkwalker_export"]
    options: dict[str, Any] = {
        "interval": {"logical_date": pendulum.datetime(2024, 2, 1)},
        "configuration": {"run_conf": {"start": "2024-01-01", "stop": "2024-01-08"}, "logical_date": None},
    }[how]
    run = run_dag(dag, **options)
    assert run.state == "success", run.log
    window = manifest.read(tmp_path / "talkwalker_export" / "2024-01-01").source["window"]
    stop = {"interval": "2024-02-01", "configuration": "2024-01-08"}[how]
    assert window == {"start": "2024-01-01T00:00:00Z", "stop": f"{stop}T00:00:00Z"}


def test_the_readme_dag_runs(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the README shows works as it stands, but for the bucket."""
    (code,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
        if "talkwalker_export(" in block
    ]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    (tmp_path / "readme.py").write_text(code.replace("s3://lake/", f"file://{tmp_path}/lake/"))
    bag = dags_in(tmp_path)
    assert not bag.import_errors
    (dag,) = bag.dags.values()
    run = run_dag(dag, logical_date=pendulum.datetime(2024, 2, 1))
    assert run.state == "success", run.log
    (written,) = (tmp_path / "lake").rglob("_manifest.json")
    assert manifest.read(written).complete


def test_an_adopted_export_is_complete_with_the_limit_that_it_was_bought_with(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """Bought with max_credits=300 two days ago and adopted by a task that says 500: 300 is all that can come."""
    simulator.settings(ready_field=False)
    assert run_dag(pipeline(tmp_path / "here", max_credits=300, delete_collector=False)).state == "success"
    simulator.advance(2 * 86_400)
    other = {"start": "2024-02-01", "stop": "2024-03-01", "min_credits_left": 0}
    assert run_dag(pipeline(tmp_path / "other", **other)).state == "success"
    run = run_dag(pipeline(tmp_path / "there"))
    assert run.state == "success", run.log
    found = manifest.read(tmp_path / "there")
    assert (found.complete, found.truncated, found.results, found.exported) == (True, True, 300, 300)
    assert (found.source["limit"], run.results["export.create_export"]["limit"]) == (300, 300)
    assert simulator.ledger()["credits"]["charged_total"] == 300 + 500


def test_default_args_reach_the_tasks(run_dag: DagRunner, simulator: Simulator, tmp_path: Path) -> None:
    """Of the DAG and of the group around: what nobody gave to the group comes from there."""
    defaults = {
        "limit": 300,
        "max_credits": 200,
        "start": "2024-01-01",
        "stop": "2024-02-01",
        "file_format": "jsonl",
    }
    with (
        DAG("defaults", schedule=None, default_args=defaults),
        TaskGroup(
            "outer", default_args={"poke_interval": 0.3, "query": "coffee", "max_credits": 100}
        ) as group,
    ):
        talkwalker_export("export", object_storage_path=f"file://{tmp_path}")
    run = run_dag(group.dag)
    assert run.state == "success"
    assert simulator.ledger()["credits"]["charged_total"] == 100
    assert [it.file_format for it in [manifest.read(tmp_path)]] == ["jsonl"]


def test_default_args_choose_the_account(simulator: Simulator, tmp_path: Path, run_dag: DagRunner) -> None:
    """A connection that is not there fails each task, instead of buying on the default account."""
    with DAG("account", schedule=None, default_args={"talkwalker_conn_id": "not_there"}) as dag:
        talkwalker_export("export", query="coffee", object_storage_path=f"file://{tmp_path}")
    assert run_dag(dag).state == "failed"
    assert simulator.ledger()["credits"]["charged_total"] == 0


@pytest.mark.parametrize("native", [False, True])
def test_a_form_with_empty_fields_exports_nothing_else(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path, native: bool
) -> None:
    """None in a form counts as empty, for each parameter but budgets; a quoted phrase keeps its quotes."""
    names = ("project_id", "topics", "ledger_path", "limit")
    fields: dict[str, Any] = dict.fromkeys(names, "{{ params.empty }}")
    with DAG(
        "form",
        schedule=None,
        params={"empty": None, "query": '"iced coffee"'},
        render_template_as_native_obj=native,
    ) as dag:
        talkwalker_export(
            "export",
            query="{{ params.query }}",
            start="2024-01-01",
            stop="2024-01-08",
            object_storage_path=f"file://{tmp_path}/lake",
            poke_interval=0.3,
            **fields,
        )
    run = run_dag(dag)
    assert run.state == "success", run.log
    source = manifest.read(tmp_path / "lake").source
    assert (source["query"], source["project_id"], source["topics"]) == (
        '"iced coffee"',
        simulator.project_id,
        [],
    )


@pytest.mark.parametrize(("native", "state"), [(False, "failed"), (True, "success")])
def test_an_empty_budget_of_a_form_is_no_budget(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path, native: bool, state: str
) -> None:
    """Rendered to a text it is refused before anything is bought; rendered natively it is None, on purpose."""
    with DAG("budget", schedule=None, params={"empty": None}, render_template_as_native_obj=native) as dag:
        talkwalker_export(
            "export",
            query="coffee",
            start="2024-01-01",
            stop="2024-01-08",
            object_storage_path=f"file://{tmp_path}/lake",
            poke_interval=0.3,
            max_credits="{{ params.empty }}",
        )
    run = run_dag(dag)
    assert run.state == state
    refused = "max_credits='None' is empty, and an empty budget is no budget" in run.log
    assert refused is (state == "failed")
    assert (simulator.ledger()["credits"]["charged_total"] == 0) is refused


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        (
            {"on_truncated": "error"},
            "on_truncated='error' is unknown. Choose one of warn, fail, skip, split.",
        ),
        ({"if_exists": "reuse"}, "if_exists='reuse' is unknown. Choose one of adopt, fail, recreate."),
        ({"on_incomplete": "ignore"}, "on_incomplete='ignore' is unknown. Choose one of fail, warn."),
        (
            {"partition_by": "quarter"},
            "partition_by='quarter' is unknown. Choose one of year, month, day, hour.",
        ),
        ({"max_part_bytes": "64MB"}, "max_part_bytes='64MB' is not a number above 0"),
        ({"file_format": "csv"}, "csv"),
        ({"salvage": "{{ params.salvage }}"}, "Give True or False"),
    ],
)
def test_a_mistake_fails_when_the_dag_is_parsed(
    argument: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    """Nothing acts as the default, and nothing is bought."""
    with pytest.raises(InvalidRequestError, match=re.escape(sentence)):
        pipeline(tmp_path, query="coffee", **argument)


@pytest.mark.parametrize("name", ["on_truncated", "if_exists", "on_incomplete", "partition_by", "repeats"])
def test_a_templated_mistake_buys_nothing(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path, name: str
) -> None:
    """A choice may be a template, and is checked before the order."""
    arguments: dict[str, Any] = {name: "{{ 'rea' + 'lly' }}"}
    run = run_dag(pipeline(tmp_path, query="coffee", **arguments))
    assert run.state == "failed"
    assert f"{name}='really' is unknown" in run.log
    assert simulator.ledger()["credits"]["charged_total"] == 0


def test_a_directory_that_cannot_be_written_buys_nothing(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """A file is where the directory should be."""
    (tmp_path / "lake").write_text("a file")
    run = run_dag(pipeline(tmp_path / "lake", query="coffee"))
    assert run.state == "failed"
    assert "Nothing was bought: the results could not land" in run.log
    assert simulator.ledger()["credits"]["charged_total"] == 0


def test_a_directory_of_another_owner_buys_nothing(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """It is found before the order, and not when the results land."""
    assert run_dag(pipeline(tmp_path, query="coffee")).state == "success"
    assert run_dag(pipeline(tmp_path, query="tea")).state == "failed"
    assert simulator.ledger()["credits"]["charged_total"] == 500


def test_a_window_that_ends_in_the_future_buys_nothing(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """It would be called whole for ever."""
    stop = pendulum.now("UTC").add(days=3).start_of("minute")
    run = run_dag(pipeline(tmp_path, query="coffee", start=stop.subtract(days=4), stop=stop))
    assert run.state == "failed"
    assert "ends in the future" in run.log
    assert simulator.ledger()["counts"].get("POST /api/v3/stream/c/{collector_id}/export", 0) == 0
    assert simulator.ledger()["credits"]["charged_total"] == 0
