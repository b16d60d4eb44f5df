"""News of a run, sent through a notification block of Prefect's where one is named: Slack, mail, a web hook.

A block that is missing or of another kind is refused before work starts; a message that cannot be sent is a
warning in the run's log and nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prefect import Flow, runtime
from prefect.logging import get_run_logger
from prefect.logging.loggers import get_logger
from prefect.states import State
from prefect.utilities.urls import url_for

from flows._cli import elsewhere  # noqa: F401 - every flow imports this, and may be what a worker runs
from flows._server.credentials import without_credentials
from tasks.seq2seq.errors import SettingsError


def check_block(slug: str | None) -> None:
    """Refuses a block that the server does not have, or that sends nothing.

    Args:
        slug: the block's type and name, such as `slack-webhook/team`; None is no block.

    Raises:
        SettingsError: saying which.
    """
    if slug is not None:
        _load(slug)


def _load(slug: str) -> Any:  # noqa: ANN401 - a NotificationBlock
    from prefect.blocks import notifications  # noqa: F401, PLC0415 - makes its kinds known; slow, and rarely needed
    from prefect.blocks.abstract import NotificationBlock  # noqa: PLC0415 - likewise
    from prefect.blocks.core import Block  # noqa: PLC0415 - likewise

    if slug.count("/") != 1:
        raise SettingsError(f"notify is {slug!r}, expected a block's type and name, such as slack-webhook/team")
    try:
        block: Any = Block.load(slug)
    except (ValueError, RuntimeError) as error:
        raise SettingsError(
            f"notify is {slug!r}, but the Prefect server has no such block: make it in its UI under Blocks, or name "
            f"one that `prefect block ls` lists ({error})"
        ) from error
    if not isinstance(block, NotificationBlock):
        raise SettingsError(
            f"notify is {slug!r}, a {block.get_block_type_slug()}, which sends no messages; name a notification block"
        )
    return block


def tell(slug: str | None, what: str, *, report: str | None = None) -> None:
    """Sends news of the run that this is called in; without a block, it does nothing."""
    run = {name: getattr(runtime.flow_run, name) for name in ("flow_name", "name", "id")}
    _send(slug, what, run, report)


def tell_of_failure(flow: Flow[..., Any], flow_run: Any, state: State[Any]) -> None:  # noqa: ANN401 - Prefect's hook
    """For `on_failure` and `on_crashed` of a flow that takes `notify`."""
    run = {"flow_name": flow.name, "name": flow_run.name, "id": flow_run.id}
    _send(flow_run.parameters.get("notify"), f"{state.name}: {state.message}", run, None)


def _send(slug: str | None, what: str, run: Mapping[str, Any], report: str | None) -> None:
    if slug is None:
        return
    try:
        subject = f"{run['flow_name']}: {what.splitlines()[0][:100]}"
        block = _load(slug)
        with block.raise_on_failure():
            block.notify(without_credentials("\n".join(_body(what, run, report))), without_credentials(subject))
    except Exception as error:  # noqa: BLE001 - the run's result does not depend on who hears of it
        why = without_credentials(str(error))
        _logger().warning("Could not notify %s of %r: %s: %s", slug, what, type(error).__name__, why)


def _body(what: str, run: Mapping[str, Any], report: str | None) -> Iterator[str]:
    yield what
    yield f"flow {run['flow_name']}, run {run['name']}"
    if report:
        yield f"report: {report}"
    if url := url_for("flow-run", obj_id=run["id"]):
        yield url


def _logger() -> Any:  # noqa: ANN401
    try:
        return get_run_logger()
    except RuntimeError:  # a crash is told by the process that watched the run
        return get_logger("flows")
