# SPDX-License-Identifier: Apache-2.0
"""What an export leaves: the same network, the same bytes, and a way back to the run."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives import serialization

from td3_driving.cli import COMMANDS
from td3_driving.deploy import bundle_cli
from td3_driving.deploy.bundle import MANIFEST, MEMBERS, SIGNATURE, read_bundle
from td3_driving.deploy.contract import ContractError, contract_of, read_contract
from td3_driving.deploy.runtime import InferenceError, PolicyRuntime, load, start
from td3_driving.export import to_bundle
from td3_driving.export.onnx_graph import model_bytes
from td3_driving.learning.algorithms import make_actor
from td3_driving.learning.best import keep_if_better
from td3_driving.learning.checkpoint import save_checkpoint
from td3_driving.learning.inference import ActorPolicy
from td3_driving.learning.networks import initialise
from td3_driving.learning.weights import load_into
from td3_driving.runs.profiles import config_directory, load_profile, parameter_file
from td3_driving.settings import Settings

from ..nodes.policy_bundle import KEY, make_bundle, random_weights, small_settings

PROFILES = sorted(path.stem for path in config_directory().glob("*.yaml") if "/**" in path.read_text())
VARIANTS = {
    "sac": small_settings(learning__algorithm="sac", network__hidden_layers=3),
    "odd frame": small_settings(observation__frame_width=47, observation__frame_height=53, network__layer_norm=True),
    "one frame": small_settings(observation__stack=1, network__encoder="nature"),
    "colour and stride": small_settings(observation__colour="colour", observation__stack_stride=5),
    "map": small_settings(observation__state="map"),
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def worst_difference(settings: Settings, weights: bytes) -> float:
    """Between torch and onnxruntime, over observations that the export did not look at."""
    contract = contract_of(settings)
    policy = ActorPolicy(settings, contract.state_size)
    policy.load(weights)
    actor = make_actor(settings, contract.state_size)
    load_into(actor, weights)
    runtime = PolicyRuntime(model_bytes(actor, contract), contract)
    frames, states = to_bundle.observations(contract, 40, seed=99)
    actions = np.stack([policy.act(*pair) for pair in zip(frames, states)])
    assert actions.std(axis=0).min() > 0.01, "actions that do not differ prove nothing"
    return float(np.abs(actions - np.stack([runtime.act(*pair) for pair in zip(frames, states)])).max())


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_acts_the_same_in_torch_and_onnxruntime(profile: str) -> None:
    settings = load_profile(config_directory() / f"{profile}.yaml")
    settings = replace(settings, network=replace(settings.network, action_init=0.5))
    assert worst_difference(settings, random_weights(settings)) <= 1e-5


@pytest.mark.parametrize("name", VARIANTS)
def test_every_form_of_network_acts_the_same(name: str) -> None:
    assert worst_difference(VARIANTS[name], random_weights(VARIANTS[name], seed=3)) <= 1e-5


def test_equal_policies_have_equal_bytes_and_others_have_other_names() -> None:
    first, again, other = make_bundle(key=KEY), make_bundle(key=KEY), make_bundle(seed=1, key=KEY)
    assert first == again
    assert read_bundle(first).digest != read_bundle(other).digest


def test_archive_lists_size_and_hash_of_every_member() -> None:
    archive = zipfile.ZipFile(BytesIO(make_bundle(key=KEY)))
    assert sorted(archive.namelist()) == sorted(MEMBERS)
    listed = json.loads(archive.read(MANIFEST))["members"]
    assert set(listed) == set(MEMBERS) - {MANIFEST, SIGNATURE}
    for name, entry in listed.items():
        data = archive.read(name)
        assert entry == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert (
        read_bundle(make_bundle()).digest
        == hashlib.sha256(zipfile.ZipFile(BytesIO(make_bundle())).read(MANIFEST)).hexdigest()
    )


def test_signature_is_told_apart_from_none_and_from_an_unchecked_one() -> None:
    assert read_bundle(make_bundle()).signed == "no"
    assert read_bundle(make_bundle(key=KEY)).signed == "unverified"
    assert read_bundle(make_bundle(key=KEY), KEY.public_key()).signed == "verified"


@pytest.mark.parametrize(
    ("state", "last", "divisor"),
    [("map", "route point 10, left", 20.0), ("sensors", "distance to the next manoeuvre", 50.0)],
)
def test_contract_states_shapes_types_units_and_rate(state: str, last: str, divisor: float) -> None:
    settings = small_settings(observation__state=state)
    document = contract_of(settings).as_mapping()
    assert document["inputs"]["frames"]["shape"] == [1, 3, 36, 36]
    assert document["inputs"]["frames"]["dtype"] == "uint8"
    elements = document["inputs"]["state"]["elements"]
    assert document["inputs"]["state"]["shape"] == [1, len(elements)] == [1, {"map": 26, "sensors": 13}[state]]
    assert (elements[0]["unit"], elements[0]["divided_by"], elements[0]["bound"]) == ("m/s", 10.0, 5.0)
    assert (elements[-1]["name"], elements[-1]["divided_by"]) == (last, divisor)
    assert document["inputs"]["state"]["contract"] == state and document["rate_hz"] == 20.0
    assert read_contract(json.loads(json.dumps(document))) == contract_of(settings)


def test_contract_tells_of_each_sensor_what_becomes_of_its_images() -> None:
    """A quarter of 36 rows is 9; a twentieth is 1.8, which is 2 rows."""
    changes = {"colour": "colour", "crop_bottom": 0.05, "stack_stride": 5, "frame_width": 48}
    settings = small_settings(**{f"observation__{name}": value for name, value in changes.items()})
    document = contract_of(settings).as_mapping()
    assert document["sensors"] == [
        {
            "name": "front camera",
            "role": "camera",
            "encodings": ["bgra8", "rgba8", "bgr8", "rgb8", "mono8"],
            **{"width": 64, "height": 36, "fov_deg": 90.0, "crop_top": 9, "crop_bottom": 2},
            **{"colour": "colour", "frame_width": 48, "frame_height": 36},
            **{"rate_hz": 20.0, "stack": 3, "stride": 5},
        }
    ]
    assert document["sensors"][0]["role"] in document["topics"]
    frames = document["inputs"]["frames"]
    assert frames["shape"] == [1, 9, 36, 48] and "red, green, blue" in frames["layout"]
    assert "red, green and blue of it" in frames["made_by"] and "cropped" in frames["made_by"]
    grey = contract_of(small_settings()).as_mapping()["inputs"]["frames"]
    assert "luma" in grey["made_by"] and grey["unit"].startswith("grey") and "red" not in grey["layout"]


def test_contract_tells_which_positions_the_policy_was_trained_with() -> None:
    """Noise of 1 m and a bias of 3 m: 4 sqrt(10) m beside the lane of 2 m; 2 sqrt(9 ln 10) m from frame to frame."""
    document = contract_of(small_settings()).as_mapping()
    assert document["parameters"]["localisation"]["position_noise"] == 1.0
    told = {"turn_angle_deg": 40.0, "turn_length_m": 12.0, "horizon_m": 50.0, "dense_route_m": 2.0}
    assert document["inputs"]["state"]["navigation"] == told
    assert document["positions"] == {"farthest_from_route_m": 14.649, "longest_jump_m": 9.105}
    exact = contract_of(small_settings(observation__state="map", localisation__position_noise=9.0)).as_mapping()
    assert exact["parameters"]["localisation"] is None and exact["inputs"]["state"]["navigation"] is None
    assert exact["positions"] == {"farthest_from_route_m": 10.0, "longest_jump_m": 3.0}
    better = contract_of(small_settings(localisation__position_noise=0.0, localisation__position_bias=0.0))
    assert (better.farthest, better.jump) == (10.0, 3.0), "no less than what an exact position has"


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("inputs", "state", "elements", 0, "divided_by"), 20.0, "elements[0].divided_by is 20.0"),
        (("outputs", "action", "elements", 0, "sign"), "left positive", "elements[0].sign"),
        (("inputs", "frames", "shape"), [1, 4, 36, 36], "frames.shape[1] is 4"),
        (("rate_hz",), 10.0, "rate_hz is 10.0"),
        (("topics", "command", "type"), "std_msgs/msg/String", "topics.command.type"),
        (("extra",), 1, "extra is only in the bundle"),
        (("format",), 1, "of format 1, whose policy sees something else"),
        (("format",), 3, "of format 3, newer than format 2"),
        (("format",), True, "does not say that it is of format 2"),
        (("format",), "2", "does not say that it is of format 2"),
        (("sensors", 0, "crop_top"), 0, "sensors[0].crop_top is 0"),
        (("parameters", "localisation"), None, "localisation"),
        (("parameters", "localisation"), {"noise": 1.0}, "cannot be read"),
        (("parameters", "localisation", "position_noise"), -1.0, "outside 0.0 .. 20.0 m"),
        (("positions", "longest_jump_m"), 90.0, "longest_jump_m is 90.0"),
        (("parameters", "observation", "stack"), 99, "outside 1 .. 8"),
        (("parameters", "observation"), None, "cannot be read"),
        (("parameters", "frame_time"), "fast", "cannot be read"),
        (("parameters", "camera"), [], "cannot be read"),
    ],
)
def test_any_difference_of_the_contract_is_named(path: tuple[str | int, ...], value: object, named: str) -> None:
    document = json.loads(json.dumps(contract_of(small_settings()).as_mapping()))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ContractError, match="contract mismatch") as caught:
        read_contract(document)
    assert named in str(caught.value)


def test_runtime_refuses_what_the_contract_does_not_name() -> None:
    runtime = start(read_bundle(make_bundle())).runtime
    stack, state = np.zeros((3, 36, 36), np.uint8), np.zeros(13, np.float32)
    assert runtime.act(stack, state).shape == (2,)
    for bad in (
        (stack[:2], state),
        (stack.astype(np.float32), state),
        (stack, state[:5]),
        (stack, state.astype(float)),
    ):
        with pytest.raises(InferenceError, match="needed"):
            runtime.act(*bad)
    with pytest.raises(InferenceError, match="not within"):
        runtime.act(stack, np.full(13, np.nan, np.float32))


def saved_run(folder: Path, settings: Settings) -> Path:
    """A run folder as training leaves it, with an actor that has learned nothing."""
    actor = make_actor(settings, contract_of(settings).state_size)
    initialise(actor, torch.Generator().manual_seed(5))
    tensors = {f"actor.{name}": tensor for name, tensor in actor.state_dict().items()}
    (folder / "config.yaml").write_text(parameter_file(settings))
    (folder / "manifest.json").write_text(json.dumps({"config_hash": settings.digest(), "commit": "abc"}))
    (folder / "report.json").write_text(json.dumps({"verdict": "NO-GO", "causes": [], "insufficient": [], "rules": []}))
    save_checkpoint(folder / "checkpoints", 40, settings.digest(), tensors, {"inserted": 900})
    return folder


def test_command_exports_a_run_with_its_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, output, pem = saved_run(tmp_path, small_settings()), tmp_path / "policy.zip", tmp_path / "private.pem"
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem.write_bytes(KEY.private_bytes(serialization.Encoding.PEM, *form))
    assert COMMANDS["export"][0] == to_bundle.__name__
    assert to_bundle.main([str(run), "-o", str(output), "--key", str(pem)]) == 0
    told = capsys.readouterr()
    assert "40 updates, 900 steps, run doctor: NO-GO" in told.out and "advises against" in told.err
    bundle = load(output, KEY.public_key()).bundle
    assert bundle.signed == "verified" and bundle.short in told.out
    assert bundle.provenance["config_hash"] == small_settings().digest()
    assert bundle.provenance["manifest"]["commit"] == "abc"
    assert bundle.provenance["doctor"] == {"verdict": "NO-GO", "causes": [], "insufficient": []}
    assert bundle.provenance["settings"]["network.features"] == 16
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".policy")] == []


def test_run_of_a_version_whose_policies_saw_something_else_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = saved_run(tmp_path, small_settings())
    lines = (run / "config.yaml").read_text().splitlines()
    new = ("state:", "colour:", "crop_", "stack_stride:", "waypoint")
    (run / "config.yaml").write_text("\n".join(line for line in lines if not line.strip().startswith(new)))
    assert to_bundle.main([str(run), "-o", str(tmp_path / "policy.zip")]) == 2
    told = capsys.readouterr().err
    assert "no observation.state" in told and "train anew" in told and told.count("\n") == 1


def test_best_policy_is_exported_with_its_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, output = saved_run(tmp_path, small_settings()), tmp_path / "policy.zip"
    assert to_bundle.main([str(run), "-o", str(output), "--best"]) == 2
    assert "kept no best policy" in capsys.readouterr().err
    weights = random_weights(small_settings(), seed=8)
    keep_if_better(run / "checkpoints", weights, small_settings().digest(), {"driving_score": 61.5})
    assert to_bundle.main([str(run), "-o", str(output), "--best"]) == 0
    provenance = load(output).bundle.provenance
    assert (provenance["updates"], provenance["evaluation"]["driving_score"]) == (7, 61.5)
    assert provenance["weights_sha256"] == hashlib.sha256(weights).hexdigest()


def test_command_says_what_a_bundle_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "policy.zip"
    file.write_bytes(make_bundle(key=KEY))
    assert COMMANDS["bundle"][0] == bundle_cli.__name__
    assert bundle_cli.main([str(file)]) == 0
    told = capsys.readouterr().out
    assert read_bundle(file.read_bytes()).digest in told
    assert (
        "3 of 36x36 at 20 Hz, grey, 1 apart" in told
        and "sensors, 13 elements" in told
        and "unverified" in told
        and "not judged" in told
        and "positions      off by 1 m with an offset of 3 m, headings by 0.05 rad, in training\n" in told
    )
    assert bundle_cli.main([str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["contract"] == contract_of(small_settings()).as_mapping()
    file.write_bytes(file.read_bytes()[:-1])
    assert bundle_cli.main([str(file)]) == 2
    assert capsys.readouterr().err.startswith("error: the bundle is damaged")


def test_command_refuses_what_is_no_run_and_no_key_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    run = saved_run(tmp_path, small_settings())
    (tmp_path / "key.pem").write_text("no key")
    cases = {
        "no config.yaml": [str(empty)],
        "Ed25519": [str(run), "--key", str(tmp_path / "key.pem")],
        "cannot": [str(run), "--key", str(tmp_path / "absent.pem")],
    }
    for index, (reason, words) in enumerate(cases.items()):
        assert to_bundle.main([*words, "-o", str(tmp_path / "out.zip")]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1
        assert reason in error or index == 2
    assert not (tmp_path / "out.zip").exists()
