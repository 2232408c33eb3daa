"""Calls about a cluster whose refusal leaves a part unknown, and whose faults end the load."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any

from eks_win_capacity.aws._occupants import RESERVATIONS
from eks_win_capacity.aws.calls import (
    DENIED,
    FILTER_VALUES,
    GONE,
    UNSERVED,
    all_pages,
    api_name,
    client,
    one_answer,
)
from eks_win_capacity.core.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eks_win_capacity.aws.saved_answers import Answers


class Asking:
    """
    What was asked so far: the answers, and what is unknown.

    Attributes
    ----------
    answers : mapping of str to list
        What came, by the member that it is known by.
    unknown : mapping of str to str
        Each part that is not known, and why.
    """

    def __init__(
        self,
        session: Any,
        region: str | None,
        endpoint_url: str | None,
        clients: Mapping[str, Any] | None,
        on_call: Callable[[str], None] | None = None,
    ) -> None:
        self._tell = on_call or (lambda _: None)
        self._made = dict(clients or {})
        self._how = {"session": session, "region": region, "endpoint_url": endpoint_url}
        self.answers: Answers = defaultdict(list)
        self.unknown: dict[str, str] = {}

    def client(self, service: str) -> Any:
        """The client of a service, made once."""
        if service not in self._made:
            self._made[service] = client(service, **self._how)
        return self._made[service]

    def pages(self, service: str, method: str, key: str, **request: Any) -> list[Any]:
        """Ask for all pages, and keep their rows."""
        asked = self._asked(service, method)
        rows = [row for page in all_pages(asked, method, key=key, **request) for row in page[key]]
        self.answers[key].append(rows)
        return rows

    def one(self, service: str, method: str, key: str, **request: Any) -> Any:
        """Ask once, and keep the answer."""
        answer = one_answer(self._asked(service, method), method, key=key, **request)[key]
        self.answers[key].append(answer)
        return answer

    def _asked(self, service: str, method: str) -> Any:
        """The client, and tell what it is asked."""
        found = self.client(service)
        self._tell(api_name(found, method))
        return found

    def part(self, name: str, ask: Any, *keys: str) -> None:
        """Ask for one part; if refused, not served or gone, say so and drop what came."""
        before = {key: len(self.answers.get(key, ())) for key in keys}
        try:
            ask()
        except AwsError as error:
            if error.code not in DENIED | UNSERVED | GONE:
                raise
            unserved = f"{error.operation} is not served by {error.region or 'the endpoint'}"
            self.unknown[name] = unserved if error.code in UNSERVED else str(error)
            for key in keys:
                if not before[key]:
                    self.answers.pop(key, None)
                else:
                    del self.answers[key][before[key] :]


def ask_occupants(ask: Asking) -> None:
    """Ask what the described subnets hold, and who holds it."""
    ids = [subnet["SubnetId"] for page in ask.answers.get("Subnets", ()) for subnet in page]
    if not ids:
        return

    def pages(method: str, key: str) -> None:
        for start in range(0, len(ids), FILTER_VALUES):
            chosen = [{"Name": "subnet-id", "Values": ids[start : start + FILTER_VALUES]}]
            ask.pages("ec2", method, key, Filters=chosen)

    def reservations() -> None:
        for subnet in ids:
            ask.pages("ec2", "get_subnet_cidr_reservations", RESERVATIONS, SubnetId=subnet)

    for part, asked, key in (
        (
            "subnet_interfaces",
            partial(pages, "describe_network_interfaces", "NetworkInterfaces"),
            "NetworkInterfaces",
        ),
        ("subnet_reservations", reservations, RESERVATIONS),
        ("subnet_users", partial(pages, "describe_instances", "Reservations"), "Reservations"),
    ):
        ask.part(part, asked, key)
