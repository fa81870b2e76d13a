"""The trackers against the real packages: what they were handed is read back."""

import csv
import struct

import pytest

# Their packages warn of each other's and of Python's deprecations when they are imported.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.picture]

FAST = ("range.num_steps=15", "range.repeats=1")


@pytest.fixture
def mlflow(tmp_path):
    found = pytest.importorskip("mlflow", reason="mlflow is not installed: pip install 'lrfind[mlflow]'")
    before = found.get_tracking_uri()
    found.set_tracking_uri(f"sqlite:///{tmp_path}/runs.db")
    yield found
    found.set_tracking_uri(before)


def logged(data):
    """The records of a file of W&B: LevelDB's log format after seven bytes, in blocks of 32 KiB."""
    position, whole = 7, b""
    while len(data) - position >= 7:
        if (left := 32768 - position % 32768) < 7:
            position += left
            continue
        length, kind = struct.unpack("<HB", data[position + 4 : position + 7])
        if kind == 0:
            return
        whole += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part of it
            yield whole
            whole = b""


def losses(ran):
    return [(float(row["lr"]), float(row["loss"])) for row in ran.rows]


def test_tensorboard_reads_back_curve_picture_settings_and_verdict(lrfind):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    ran = lrfind("hydra/callbacks=tensorboard", *FAST)
    assert ran.code in (0, 3), ran.err
    assert "warning: hydra/callbacks" not in ran.err
    events = EventAccumulator(str(ran.folder)).Reload()
    written = [(event.step, event.value) for event in events.Scalars("loss")]
    assert [step for step, _ in written] == [round(-5000 + 6000 * i / 14) for i in range(15)]
    assert [value for _, value in written] == pytest.approx([loss for _, loss in losses(ran)])
    assert events.Images("range")[0].width > 500
    (verdict,) = events.Tensors("verdict/text_summary")
    assert verdict.tensor_proto.string_val[0].decode() == ran.record["verdict"]
    (shape,) = events.Tensors("shape/text_summary")
    assert shape.tensor_proto.string_val[0].decode() == ran.record["shape"]
    assert events.Scalars("steps")[0].value == 15
    assert "_hparams_/session_start_info" in events.summary_metadata


def test_mlflow_reads_back_params_metrics_tags_and_artifacts(lrfind, mlflow):
    ran = lrfind("hydra/callbacks=mlflow", "hydra.callbacks.mlflow.experiment=trials", *FAST)
    assert ran.code in (0, 3), ran.err
    assert "warning: hydra/callbacks" not in ran.err
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("trials").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["range.num_steps"] == "15"
    assert run.data.params["model._target_"] == "lrfind.tasks.models.mlp"
    assert run.data.tags["verdict"] == ran.record["verdict"]
    assert run.data.tags["shape"] == ran.record["shape"]
    assert run.data.metrics["steps"] == 15
    history = client.get_metric_history(run.info.run_id, "loss")
    assert sorted(metric.step for metric in history) == [round(-5000 + 6000 * i / 14) for i in range(15)]
    assert [m.value for m in sorted(history, key=lambda m: m.step)] == [loss for _, loss in losses(ran)]
    names = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert names == {"range.csv", "range.json", "range.png", ".hydra"}


def test_mlflow_makes_a_multirun_the_parent_of_its_runs(lrfind, mlflow, tmp_path):
    words = ("-m", "seed=0,1", f"hydra.sweep.dir={tmp_path / 'sweep'}", "hydra/callbacks=mlflow")
    ran = lrfind(*words, *FAST)
    assert ran.code in (0, 3), ran.err
    client = mlflow.MlflowClient()
    runs = client.search_runs([client.get_experiment_by_name("lrfind").experiment_id])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run is not parent]
    assert [run.data.tags["mlflow.parentRunId"] for run in children] == [parent.info.run_id] * 2
    assert {run.data.params["seed"] for run in children} == {"0", "1"}


def test_wandb_writes_a_run_offline(lrfind, monkeypatch, tmp_path):
    pytest.importorskip("wandb", reason="wandb is not installed: pip install 'lrfind[wandb]'")
    from wandb.proto import wandb_internal_pb2

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    ran = lrfind("hydra/callbacks=wandb", *FAST)
    assert ran.code in (0, 3), ran.err
    assert "warning: hydra/callbacks" not in ran.err
    (path,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    records = [wandb_internal_pb2.Record.FromString(data) for data in logged(path.read_bytes())]
    rows = [
        {item.key or item.nested_key[0]: item.value_json for item in record.history.item}
        for record in records
        if record.HasField("history")
    ]
    written = [(float(row["lr"]), float(row["loss"])) for row in rows if "loss" in row]
    assert written == losses(ran)
    assert any("range" in row for row in rows)  # the picture
    (begun,) = [record.run for record in records if record.HasField("run")]
    assert begun.project == "lrfind"
    assert "num_steps" in str(begun.config)


def test_several_trackers_and_one_that_fails_lose_nothing(lrfind, mlflow):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    mlflow.set_tracking_uri("nonsense://there")
    ran = lrfind("hydra/callbacks=[mlflow,tensorboard]", *FAST)
    assert ran.code in (0, 3)
    assert "hydra/callbacks=mlflow: the run could not be handed over (" in ran.err
    assert f"What it leaves in {ran.folder} is whole." in ran.err
    with (ran.folder / "range.csv").open() as stream:
        assert len(list(csv.reader(stream))) == 16
    assert list(ran.folder.glob("events.out.*"))


def test_the_number_alone_goes_to_stdout(lrfind, mlflow):
    ran = lrfind("-q", "hydra/callbacks=mlflow")
    assert ran.code == 0
    assert "INFO" not in ran.err
    assert float(ran.out) == ran.record["suggestion"]["lr"]


def test_a_package_that_is_not_there_is_told_of_before_the_run(lrfind, monkeypatch):
    monkeypatch.setattr("lrfind.trackers.tracker.find_spec", lambda package: None)
    ran = lrfind("hydra/callbacks=wandb", *FAST)
    assert ran.code in (0, 3)
    told = "hydra/callbacks=wandb needs a package that is not installed (no wandb): pip"
    assert ran.err.index(told) < ran.err.index("step ")
    assert "pip install 'lrfind[wandb]'. This run is not tracked." in ran.err
