# SPDX-License-Identifier: Apache-2.0
"""Every setting of a run: typed, bounded, with its unit and meaning.

A setting is one field of one of the frozen dataclasses below. Values come from a profile (``config/*.yaml``), then from
command-line overrides; the resolved whole is written to ``RUN/config.yaml`` as a ROS 2 parameter file, and every node
of the run reads it from there. Nothing is defaulted anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Mapping, get_type_hints

from td3_driving.bounded import (
    Bounded,
    Scalar,
    SettingsError,
    choice,
    digest_of,
    flag,
    flattened,
    group_values,
    is_import_path,
    named,
    number,
)
from td3_driving.plugins import load
from td3_driving.settings_observation import ObservationSettings
from td3_driving.settings_operation import CarlaSettings as CarlaSettings
from td3_driving.settings_operation import LoggersSettings, SecuritySettings
from td3_driving.settings_operation import StagedSettings as StagedSettings
from td3_driving.settings_reward import RewardSettings, reward_settings
from td3_driving.settings_world import AppearanceSettings as AppearanceSettings
from td3_driving.settings_world import SimulatorSettings as SimulatorSettings

__all__ = [
    "GROUPS",
    "Bounded",
    "ObservationSettings",
    "RewardSettings",
    "Scalar",
    "Settings",
    "SettingsError",
    "from_flat",
]

DRIVERS = ("lane_keeper", "idm", "brisk", "random", "parked", "off_road")
"""Reference drivers that have a name; :mod:`td3_driving.driving.drivers` makes them."""
ALGORITHMS = ("td3", "ddpg", "sac")
"""Update rules that have a name; :mod:`td3_driving.learning.algorithms` has their classes."""
ENCODERS = ("nature", "small")
"""Encoders that have a name; :mod:`td3_driving.learning.encoders` has their classes."""
DRIVER_NEEDS = ("make", "meaning", "needs_others")
"""What a driver from outside the package must have; :class:`~td3_driving.driving.drivers.ReferenceDriver` has it."""


@dataclass(frozen=True)
class RunSettings(Bounded):
    """What is run, for how long."""

    seed: int = number(0, 0, 2**31 - 1, "seed of every random generator of the run")
    steps: int = number(5000, 1, 10**9, "environment steps to take, over all actors")
    num_actors: int = number(1, 1, 16, "simulators that feed the one learner")
    actors_per_process: int = number(
        1, 1, 16, "actors that share one policy process, and their embedded simulators another"
    )
    log_period: int = number(100, 1, 10**6, "environment steps between two points of the training series")


@dataclass(frozen=True)
class LocalisationSettings(Bounded):
    """The error of the positions that the policy gets in training; state map takes exact ones.

    The default is a consumer receiver: GPS-enabled smartphones are accurate to within 4.9 m under open sky (GPS.gov).
    """

    position_noise: float = number(1.0, 0.0, 20.0, "standard deviation of each horizontal axis", "m")
    position_bias: float = number(3.0, 0.0, 20.0, "standard deviation of an offset that stays for an episode", "m")
    heading_noise: float = number(0.05, 0.0, 0.5, "standard deviation of the compass", "rad")
    correlation_time: float = number(10.0, 0.0, 3600.0, "time within which the noise changes; 0 = white", "s")


@dataclass(frozen=True)
class EpisodeSettings(Bounded):
    """When an episode ends."""

    max_steps: int = number(1000, 10, 10**6, "steps after which an episode is truncated")
    off_lane_distance: float = number(2.0, 0.5, 50.0, "lateral deviation that ends the episode", "m")
    wrong_way_angle: float = number(1.7, 0.5, 3.14, "heading error that ends the episode", "rad")
    standstill_speed: float = number(0.3, 0.0, 5.0, "speed below which the vehicle counts as standing", "m/s")
    standstill_steps: int = number(100, 10, 10**6, "steps of standing still after which an episode ends")


@dataclass(frozen=True)
class ExplorationSettings(Bounded):
    """How the policy explores (training only)."""

    random_steps: int = number(1000, 0, 10**9, "first environment steps driven by random actions")
    random_hold: int = number(4, 1, 100, "steps for which one random action is held")
    noise_start: float = number(0.2, 0.0, 2.0, "standard deviation of the Gaussian action noise at the start")
    noise_end: float = number(0.1, 0.0, 2.0, "standard deviation after decay_steps")
    decay_steps: int = number(100_000, 1, 10**9, "environment steps over which the noise decays linearly")


@dataclass(frozen=True)
class NetworkSettings(Bounded):
    """Actor and critic; a critic that looks through the camera owns an encoder of the actor's form."""

    critic: str = choice(
        "privileged", ("privileged", "camera"), "privileged: the critic knows lane and traffic; camera: it sees frames"
    )
    encoder: str = named("nature", ENCODERS, "turns frames into features; nature: NatureCNN, small: for low frames")
    features: int = number(512, 16, 4096, "width of the encoder's output")
    hidden: int = number(256, 16, 4096, "width of the hidden layers")
    hidden_layers: int = number(2, 1, 4, "number of hidden layers")
    layer_norm: bool = flag(False, "LayerNorm after each hidden layer of the MLP trunks")
    action_init: float = number(3e-3, 1e-6, 1.0, "bound of the uniform initial weights of the last actor layer")


@dataclass(frozen=True)
class LearningSettings(Bounded):
    """The update: TD3 as published, and its options."""

    algorithm: str = named("td3", ALGORITHMS, "update rule")
    gamma: float = number(0.99, 0.0, 0.9999, "discount factor")
    tau: float = number(0.005, 1e-5, 1.0, "step of the target networks towards the trained ones")
    batch_size: int = number(256, 2, 4096, "transitions per update")
    policy_delay: int = number(2, 1, 100, "critic updates per actor update")
    target_noise: float = number(0.2, 0.0, 2.0, "standard deviation of the target policy's smoothing noise")
    target_noise_clip: float = number(0.5, 0.0, 2.0, "bound of the smoothing noise")
    actor_cnn_lr: float = number(1e-5, 0.0, 1.0, "learning rate of the actor's encoder")
    actor_mlp_lr: float = number(1e-3, 0.0, 1.0, "learning rate of the actor's trunk")
    critic_cnn_lr: float = number(1e-4, 0.0, 1.0, "learning rate of the critic's encoder")
    critic_mlp_lr: float = number(1e-4, 0.0, 1.0, "learning rate of the critic's heads")
    actor_max_norm: float = number(1.0, 1e-6, 1e9, "bound of the actor's global gradient norm")
    critic_max_norm: float = number(10.0, 1e-6, 1e9, "bound of the critic's global gradient norm")
    teacher: str = named(
        "none",
        ("none", *DRIVERS),
        "reference driver that shows the policy what to do; none: nobody",
    )
    teacher_weight: float = number(1.0, 0.0, 1000.0, "weight of the imitation of the teacher at the first update")
    teacher_weight_end: float = number(0.0, 0.0, 1000.0, "weight of the imitation after teacher_decay")
    teacher_braking: float = number(
        1.0, 0.01, 100.0, "how much its pedals count where the teacher brakes, if they count 1 elsewhere"
    )
    teacher_decay: int = number(2000, 1, 10**9, "updates over which the weight of the imitation falls linearly")
    lr_decay: int = number(0, 0, 10**9, "updates over which all learning rates fall linearly to lr_end; 0 = never")
    lr_end: float = number(0.1, 0.0, 1.0, "share of the learning rates that is left after lr_decay")
    saturation_penalty: float = number(0.0, 0.0, 10.0, "weight of the squared pre-activation of the action beyond 1")
    n_step: int = number(1, 1, 20, "steps of return before the bootstrap")
    reward_clip: float = number(0.0, 0.0, 1e6, "bound of the reward as the learner sees it; 0 = off")
    reward_scaling: bool = flag(False, "divide rewards by the running standard deviation of the discounted return")
    target_clamp: bool = flag(False, "clamp the bootstrap target to the return bound r/(1-gamma)")
    precision: str = choice(
        "float32",
        ("float32", "tf32", "bfloat16", "auto"),
        "number format of the convolutions and products; tf32: on a CUDA device, elsewhere float32; auto: the fastest",
    )
    device: str = choice("cpu", ("cpu", "cuda", "auto"), "where the learner computes; auto: cuda where there is one")
    capture: bool = flag(True, "on a CUDA device record the update as CUDA graphs; it must not read values back")
    compile: str = choice("off", ("off", "on", "auto"), "let torch compile the networks; auto: if that is faster")
    threads: int = number(0, 0, 256, "CPU threads of each learner; 0 = the cores of the machine, divided among them")
    learners: int = number(1, 1, 64, "processes that learn as one: each has its share of the replay memory")

    def __post_init__(self) -> None:
        super().__post_init__()
        if is_import_path(self.teacher):
            load(self.teacher, DRIVER_NEEDS, "learning.teacher")


@dataclass(frozen=True)
class ReplaySettings(Bounded):
    """The replay memory."""

    capacity: int = number(100_000, 100, 10**8, "frames kept")
    device_share: float = number(
        0.6,
        0.0,
        0.95,
        "share of the free memory of the learner's CUDA device that frames may take; more stay beside it",
    )
    on_disk: bool = flag(True, "keep the memory in RUN/replay so that it survives a crash")


@dataclass(frozen=True)
class PacingSettings(Bounded):
    """How experience and updates are kept in step."""

    mode: str = choice("strict", ("strict", "async"), "strict: same seed, same bits; async: a bounded lead")
    learning_starts: int = number(1000, 1, 10**9, "inserted steps before the first update")
    train_freq: int = number(50, 1, 10**6, "inserted steps between two bursts of updates")
    gradient_steps: int = number(1, 1, 10**4, "updates in one burst")
    lead: int = number(0, 0, 1000, "bursts that the policy may be ahead of the learner; strict: 0 or 1")
    stall_timeout: float = number(60.0, 2.0, 3600.0, "wall time after which a wait is given up", "s")
    checkpoint_period: int = number(1000, 1, 10**9, "updates between two checkpoints")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode == "strict" and self.lead > 1:
            # Weights overwrite one another on their way: of several bursts under way, which one arrives is chance.
            raise SettingsError(f"PacingSettings.lead: {self.lead} is outside 0 .. 1 bursts in mode strict")


@dataclass(frozen=True)
class DiagnosticsSettings(Bounded):
    """What is watched and what an alarm does."""

    on_critical: str = choice("warn", ("warn", "pause", "stop"), "what a critical alarm of the run doctor does")
    stale_after: float = number(5.0, 0.5, 600.0, "silence after which a source is reported as stale", "s")
    tensorboard: bool = flag(True, "write the TensorBoard event file")


@dataclass(frozen=True)
class EvaluationSettings(Bounded):
    """Evaluations in the course of a training: the deterministic policy on routes of its own, not learned from."""

    interval: int = number(0, 0, 10**9, "environment steps between two evaluations; 0 = none")
    routes: int = number(3, 1, 1000, "routes of one evaluation")
    seed: int = number(1, 0, 2**31 - 1, "seed of the routes and their traffic; no training has them; evaluate has 0")
    final_routes: int = number(5, 0, 1000, "routes that the final policy drives when the run is over; 0 = none")
    final_seed: int = number(2, 0, 2**31 - 1, "seed of those routes and their traffic; no training has them")
    final_timeout: float = number(300.0, 1.0, 86400.0, "wall time of those drives; the rest is left out", "s")


@dataclass(frozen=True)
class Settings:
    """The whole configuration of a run."""

    run: RunSettings = field(default_factory=RunSettings)
    simulator: SimulatorSettings = field(default_factory=SimulatorSettings)
    observation: ObservationSettings = field(default_factory=ObservationSettings)
    localisation: LocalisationSettings = field(default_factory=LocalisationSettings)
    reward: RewardSettings = field(default_factory=lambda: reward_settings("")())
    episode: EpisodeSettings = field(default_factory=EpisodeSettings)
    exploration: ExplorationSettings = field(default_factory=ExplorationSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    learning: LearningSettings = field(default_factory=LearningSettings)
    replay: ReplaySettings = field(default_factory=ReplaySettings)
    pacing: PacingSettings = field(default_factory=PacingSettings)
    diagnostics: DiagnosticsSettings = field(default_factory=DiagnosticsSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    carla: CarlaSettings = field(default_factory=CarlaSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    loggers: LoggersSettings = field(default_factory=LoggersSettings)
    staged: StagedSettings = field(default_factory=StagedSettings)
    appearance: AppearanceSettings = field(default_factory=AppearanceSettings)

    def flat(self) -> dict[str, Scalar]:
        """The settings as ``{"group.name": value}``."""
        return flattened(self)

    def digest(self) -> str:
        """SHA-256 of what makes two runs the same: neither length, so that a run can be extended, nor machine."""
        relevant = {key: value for key, value in self.flat().items() if not key.startswith(IRRELEVANT)}
        return digest_of({key: value for key, value in relevant.items() if NEUTRAL.get(key) != value})


IRRELEVANT = (
    *("run.steps", "diagnostics.tensorboard", "staged.", "evaluation.", "security.", "loggers."),
    *("run.actors_per_process", "learning.capture", "learning.compile", "replay.device_share"),
    *(f"carla.{name}" for name in ("host", "port", "server", "executable", "bridge", "off_screen")),
    *(f"carla.{name}" for name in ("stage_timeout", "rpc_timeout", "silence_timeout", "reset_timeout", "restarts")),
)
"""Settings, or beginnings of their names, that :meth:`Settings.digest` leaves out."""
PLUGINS = ("reward.terms", "observation.elements", "observation.cameras")
"""Settings that hold import paths. An empty one is left out of the digest: it changes nothing."""
NEUTRAL: dict[str, Scalar] = {"learning.learners": 1, **dict.fromkeys(PLUGINS, "")}
"""Values with which a setting is left out of the digest, because it changes nothing then."""
GROUPS: dict[str, type[Bounded]] = dict(get_type_hints(Settings))
"""Class of each group; that of the reward has a weight for each term besides, see :func:`reward_settings`."""


def from_flat(values: Mapping[str, Any], base: Settings | None = None) -> Settings:
    """Settings from ``{"group.name": value}`` on top of ``base``.

    Raises:
        SettingsError: a key is unknown, a value has the wrong type or is out of range, or an import path leads nowhere.
    """
    known = (base or Settings()).flat()
    terms = RewardSettings(terms=values.get("reward.terms", known["reward.terms"])).terms
    groups = GROUPS | {"reward": reward_settings(terms)}
    weights = {f"reward.{spec.name}": spec.default for spec in fields(groups["reward"])}  # type: ignore[arg-type]
    kept = {key: value for key, value in known.items() if key in weights or not key.startswith("reward.")}
    return Settings(**group_values(values, weights | kept, groups))
