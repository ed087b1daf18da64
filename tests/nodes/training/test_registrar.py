# SPDX-License-Identifier: Apache-2.0
"""Who takes part in a served run, and what of it can be repeated: the registrar and the joiner over DDS."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from td3_driving_msgs.msg import Experience, Guard, LearnerStatus, Refusals, RunOffer

from td3_driving.driving import topics
from td3_driving.launching.node_table import shared_topics
from td3_driving.monitor import attendance
from td3_driving.nodes.ros import qos, sealed
from td3_driving.nodes.ros.entry import RunEnd
from td3_driving.nodes.ros.sealed import SealedPublisher, Trust
from td3_driving.nodes.training import registrar as module
from td3_driving.nodes.training.intruders import Intruders
from td3_driving.nodes.training.joiner import JoinerNode
from td3_driving.nodes.training.orders import STOPPED_BY_GUARD, Orders
from td3_driving.nodes.training.registrar import RegistrarNode
from td3_driving.settings import Settings
from td3_driving.trust import strangers
from td3_driving.trust.token import VARIABLE, count_start, renew_token

from ...shared.patience import HANG

NAMES = ["actor_0", "actor_1"]


class Domain:
    """Nodes of one domain, each with a context of its own, served in one thread."""

    def __init__(self, number: int, folder: Path, held: ExitStack) -> None:
        self.folder, self._number, self._held = folder, number, held
        self._executors: list[SingleThreadedExecutor] = []

    def node(self, name: str, space: str = "") -> Node:
        context = Context()
        rclpy.init(args=[], context=context, domain_id=self._number)
        self._held.callback(context.try_shutdown)
        remapped = [word for old, new in shared_topics(space) for word in ("-r", f"{old}:={new}")]
        words = ["--ros-args", *remapped] if remapped else []
        return self.serve(Node(name, namespace=space, context=context, cli_args=words))

    def serve(self, node: Any) -> Any:
        executor = SingleThreadedExecutor(context=node.context)
        executor.add_node(node)
        self._executors.append(executor)
        return node

    def until(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + HANG
        while not condition():
            assert time.monotonic() < deadline, f"no {what}"
            for executor in self._executors:
                executor.spin_once(timeout_sec=0.01)

    def own(self, make: Callable[[], Any], *parameters: str) -> Any:
        """A node that makes itself, in the default context."""
        words = [word for parameter in parameters for word in ("-p", parameter)]
        rclpy.init(args=["--ros-args", *words], domain_id=self._number)
        self._held.callback(rclpy.try_shutdown)
        return self.serve(make())


@pytest.fixture
def domain(domain_id: int, tmp_path: Path) -> Iterator[Domain]:
    renew_token(tmp_path)
    with ExitStack() as held:
        yield Domain(domain_id, tmp_path, held)


def registrar_of(domain: Domain) -> RegistrarNode:
    return domain.own(RegistrarNode, f"run_dir:={domain.folder}", "run.num_actors:=2")


def learner_of(domain: Domain, folder: Path | None = None) -> tuple[Node, SealedPublisher]:
    node = domain.node("learner")
    trust = Trust(node, Settings(), str(folder or domain.folder))
    return node, trust.sealed_publisher(LearnerStatus, topics.LEARNER_STATUS, qos.STATUS)


def status(node: Node, state: int, **fields: Any) -> LearnerStatus:
    message = LearnerStatus(state=state, inserted=7, begun_at=5, **fields)
    message.header.stamp = node.get_clock().now().to_msg()
    return message


def present(registrar: RegistrarNode) -> list[str]:
    """The actors that it counts as there."""
    return [name for name, record in registrar._roll.records.items() if record.present]


def test_a_stranger_with_the_name_of_an_actor_takes_no_part_and_keeps_no_run(
    domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It publishes steps, repeats the actor's own word, and stays when the actor leaves."""
    for place in (attendance, module):
        monkeypatch.setattr(place, "GRACE", 0.5)
    registrar = registrar_of(domain)
    actor = domain.node("policy", "/actor_0")
    intruders = Intruders(actor, Trust(actor, Settings(), str(domain.folder)), session=5)
    stranger = domain.node("policy", "/actor_1")
    steps = stranger.create_publisher(Experience, topics.REPLAY, qos.REPLAY)
    forged = stranger.create_publisher(Refusals, topics.REFUSALS, qos.EPISODE)
    recorded: list[bytes] = []
    stranger.create_subscription(Refusals, topics.REFUSALS, recorded.append, qos.EPISODE, raw=True)
    domain.until(lambda: (intruders.tell(), present(registrar) == ["actor_0"])[1], "actor that takes part")
    domain.until(
        lambda: (intruders.tell(), recorded and registrar.count_publishers("/td3/replay") == 1)[1],
        "steps of the stranger",
    )
    genuine = tuple(recorded)

    def counted() -> int:
        forged.publish(Refusals(node="/actor_1/policy", session_id=9))
        for data in genuine:
            forged.publish(data)
        return registrar._trust.strangers.total

    domain.until(counted, "count of the stranger")
    assert present(registrar) == ["actor_0"]
    learner, publisher = learner_of(domain)

    def finish() -> bool:
        publisher.publish(status(learner, LearnerStatus.FINISHED))
        return bool(registrar._orders.learner_state == LearnerStatus.FINISHED)

    domain.until(finish, "word that the run is finished")
    intruders.tell()
    actor.destroy_node()
    with pytest.raises(RunEnd) as ended:
        domain.until(lambda: (forged.publish(genuine[-1]), False)[1], "end")
    assert ended.value.code == 0
    assert registrar.count_publishers("/td3/replay") == 1 == registrar.count_publishers(steps.topic_name)


def test_a_recorded_offer_brings_nobody_into_a_run(
    domain: Domain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is that of the start before; the joiner waits for the answer to its own question."""
    monkeypatch.setenv(VARIABLE, str(domain.folder / "token"))
    stranger = domain.node("registrar")
    trust = Trust(stranger, Settings(), str(domain.folder))
    recorded = trust.sealed_publisher(RunOffer, topics.RUN_OFFER, qos.WEIGHTS)
    recorded.publish(RunOffer(actors=NAMES, free=[True, True], begun_at=1, questions=[12]))
    joiner = domain.own(JoinerNode, f"file:={tmp_path / 'offer.json'}")
    heard = []
    monkeypatch.setattr(joiner, "_on_offer", heard.append)
    domain.until(lambda: recorded.plain.get_subscription_count() == 1, "joiner")
    domain.until(lambda: joiner._trust.sender is not None, "recorded offer")
    assert joiner._offer is None and joiner._trust.strangers.total == 0
    answer = RunOffer(actors=NAMES, free=[True, True], begun_at=7, start=2, questions=[3, joiner._number])
    answer.header.stamp = stranger.get_clock().now().to_msg()
    recorded.publish(answer)
    domain.until(lambda: joiner._offer is not None, "answer")
    joiner._write(joiner._offer)
    assert json.loads((tmp_path / "offer.json").read_text())["start"] == 2


def test_the_registrar_answers_whoever_asks(domain: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    count_start(domain.folder)
    registrar = registrar_of(domain)
    learner, publisher = learner_of(domain)
    offers: list[RunOffer] = []
    asking = domain.node("joiner")
    trust = Trust(asking, Settings(), str(domain.folder))
    trust.sealed_subscription(RunOffer, topics.RUN_OFFER, offers.append, qos.WEIGHTS)
    question = trust.sealed_publisher(module.RunQuestion, topics.RUN_QUESTION, qos.EPISODE)

    def asked(number: int) -> bool:
        publisher.publish(status(learner, LearnerStatus.LEARNING))
        question.publish(module.RunQuestion(number=number))
        return bool(offers) and number in offers[-1].questions

    for number in (17, 18):
        domain.until(lambda number=number: asked(number), "answer")
    assert list(offers[-1].sessions) == [0, 0]
    actor = domain.node("policy", "/actor_1")
    speaking = Intruders(actor, Trust(actor, Settings(), str(domain.folder)), session=10**19)
    known = "the session of an actor that has not sent a step"
    domain.until(lambda: (speaking.tell(), asked(19), list(offers[-1].sessions) == [0, 10**19])[-1], known)
    assert (offers[-1].start, offers[-1].begun_at, offers[-1].actors) == (2, 5, NAMES)
    assert registrar._trust.strangers.total == 0


def test_an_order_of_an_earlier_start_is_not_obeyed_in_the_next(
    domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard's STOP is recorded in the first start and sent again in the second, to an actor that begins there and
    to one that lived through both, which follows the run over by itself."""
    for module_of_patience in (sealed, strangers):
        monkeypatch.setattr(module_of_patience, "PATIENCE", 1.0)
    copy = renew_token(domain.folder).rename(domain.folder / "copy")
    (domain.folder / "token").write_bytes(copy.read_bytes())
    (domain.folder / "token").chmod(0o600)
    old = domain.node("diagnostics")
    first = Trust(old, Settings(), str(domain.folder)).sealed_publisher(Guard, topics.GUARD, qos.WEIGHTS)
    monkeypatch.setenv(VARIABLE, str(copy))
    lives, begins = (domain.node("policy", f"/{name}") for name in NAMES)
    orders = [listening(lives)]
    assert orders[0][1].starts.number == 1
    count_start(domain.folder)
    orders.append(listening(begins, start=2))
    monkeypatch.delenv(VARIABLE)
    learner, publisher = learner_of(domain)

    def follows() -> bool:
        publisher.publish(status(learner, LearnerStatus.LEARNING, updates=3))
        return all(heard.learner_updates == 3 for heard, _ in orders)

    domain.until(follows, "status of the new start in both")
    assert [trust.starts.number for _, trust in orders] == [2, 2]
    domain.until(lambda: first.plain.get_subscription_count() == 2, "listeners")
    stop = Guard(order=Guard.STOP, reason="recorded")
    stop.header.stamp = old.get_clock().now().to_msg()

    def named() -> bool:
        first.publish(stop)
        return all(trust.strangers.total > 0 for _, trust in orders)

    domain.until(named, "the name of who repeats it")
    assert all("/diagnostics (GUID " in trust.strangers.last for _, trust in orders)
    new = Trust(learner, Settings(), str(domain.folder)).sealed_publisher(Guard, topics.GUARD, qos.WEIGHTS)
    with pytest.raises(RunEnd) as ended:
        domain.until(lambda: (new.publish(stop), False)[1], "genuine order")
    assert ended.value.code == STOPPED_BY_GUARD


def listening(node: Node, start: int = 0) -> tuple[Orders, Trust]:
    trust = Trust(node, Settings(), "", start=start)
    orders = Orders(node, module.RunBounds(Settings()), lambda: None, lambda _: None)
    orders.listen(trust)
    return orders, trust
