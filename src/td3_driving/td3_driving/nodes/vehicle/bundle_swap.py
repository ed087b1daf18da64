# SPDX-License-Identifier: Apache-2.0
"""The service that changes the bundle while the policy drives."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rclpy.executors import Executor
from rclpy.lifecycle import LifecycleNode
from rclpy.task import Future
from td3_driving_msgs.srv import SwapBundle

from td3_driving.deploy.bundle_archive import BundleError
from td3_driving.deploy.driver import DeployedDriver
from td3_driving.deploy.runtime import Loaded


class BundleSwap:
    """Loads a bundle in the background and swaps it in between two frames.

    Args:
        executor: the node's; it continues the service call once the bundle is loaded.
        load: reads and checks a bundle; called in a thread of its own.
        driver: the driver, None where none is configured.
        driving: tells whether frames are being answered.
    """

    def __init__(
        self,
        node: LifecycleNode,
        executor: Executor,
        load: Callable[[str], Loaded],
        driver: Callable[[], DeployedDriver | None],
        driving: Callable[[], bool],
    ) -> None:
        self._logger = node.get_logger()
        self._executor, self._load, self._driver, self._driving = executor, load, driver, driving
        self._busy = False
        self._staged: tuple[Loaded, Future[None]] | None = None
        node.create_service(SwapBundle, "~/swap_bundle", self._on_swap)

    @property
    def waiting(self) -> bool:
        """True while a bundle waits for :meth:`hand_over`."""
        return self._staged is not None

    def hand_over(self) -> None:
        """Swap in the loaded and checked bundle; call between two frames."""
        if self._staged is None:
            return
        (loaded, done), self._staged = self._staged, None
        driver = self._driver()
        if driver is not None:
            driver.swap(loaded)
        done.set_result(None)

    async def _on_swap(self, request: SwapBundle.Request, response: SwapBundle.Response) -> SwapBundle.Response:
        if self._busy:
            response.message = "refused, nothing changes: another swap is under way"
            return response
        self._busy = True
        try:
            await self._swap(request.path)
        except BundleError as error:
            response.message = f"refused, nothing changes: {error}"
            self._logger.error(f"swap to {request.path} {response.message}")
        else:
            response.success, response.message = True, f"driving by {request.path}"
            self._logger.info(response.message)
        finally:
            self._busy = False
        driver = self._driver()
        response.bundle = "" if driver is None else driver.loaded.bundle.short
        return response

    async def _swap(self, path: str) -> None:
        if self._driver() is None:
            raise BundleError("the node is not configured")
        loaded = await self._load_aside(path)
        driver = self._driver()
        if driver is None:
            raise BundleError("the node was cleaned up meanwhile")
        driver.check_swap(loaded)
        done: Future[None] = Future(executor=self._executor)
        self._staged = loaded, done
        if not self._driving():
            self.hand_over()
        await done
        if driver.loaded is not loaded:
            raise BundleError("it failed at its first frame, the one before drives again")

    async def _load_aside(self, path: str) -> Loaded:
        future: Future[Loaded | Exception] = Future(executor=self._executor)

        def work() -> None:
            try:
                future.set_result(self._load(path))
            except Exception as error:  # noqa: BLE001 - whatever a file does to its checks, the driving goes on
                future.set_result(error)

        threading.Thread(target=work, name="bundle", daemon=True).start()
        result = await future
        if isinstance(result, Loaded):
            return result
        raise result if isinstance(result, BundleError) else BundleError(f"it cannot be checked: {result!r}")
