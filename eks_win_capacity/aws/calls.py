"""Calls to AWS that give the whole answer or one clear error, or leave a part unknown."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.cluster.state import Unknown
from eks_win_capacity.core.arguments import text
from eks_win_capacity.core.errors import (
    TOKENS,
    AwsError,
    InputError,
    UnsupportedInputError,
    allowing,
    without_accounts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_LOG: Final = logging.getLogger(__name__)

ATTEMPTS: Final = 4
"""How often botocore tries one request before a throttled or lost one is an error."""

CONNECT_TIMEOUT_S: Final = 10
READ_TIMEOUT_S: Final = 28
SILENT_TRIES: Final = 2
"""How often a silent endpoint is asked: with the pause between, it costs a minute at most."""

FILTER_VALUES: Final = 200
"""How many values one filter of an EC2 call may have.

Source: EC2 API reference, "Filter".
"""

_MESSAGE: Final = 300

_LOGIN: Final = "log in again (`aws sso login` or `aws login`) or renew the session token"
_CREDENTIALS: Final = (
    "run `aws configure` or `aws sso login`, set AWS_PROFILE, or pass session=boto3.Session(...)"
)
_REACH: Final = "check the region's name, the network, the proxy and the endpoint URL"
_BUSY: Final = (
    "InternalError", "InternalFailure", "InternalServerError", "RequestLimitExceeded",
    "RequestThrottled", "RequestThrottledException", "ServerException", "ServiceFailure",
    "ServiceUnavailable", "ServiceUnavailableException", "SlowDown", "ThrottledException",
    "Throttling", "ThrottlingException", "TooManyRequestsException", "Unavailable",
)  # fmt: skip
"""Error codes of services that have too much to do, or fail by themselves."""

_CURES: Final = {
    # botocore's own exceptions, by class; a subclass without a line takes its base's.
    "NoCredentialsError": _CREDENTIALS,
    "PartialCredentialsError": _CREDENTIALS,
    "CredentialRetrievalError": _CREDENTIALS,
    "ProfileNotFound": "list the profiles with `aws configure list-profiles`",
    "NoRegionError": "set AWS_REGION, or give a region",
    "InvalidRegionError": "give a region such as 'eu-west-1'",
    "SSOError": _LOGIN,
    "TokenRetrievalError": _LOGIN,
    "LoginError": _LOGIN,
    "HTTPClientError": _REACH,
    "ConnectionError": _REACH,
    "UnknownEndpointError": _REACH,
    "PaginationError": "the answer is not complete; ask again",
    # Error codes of the services.
    "AuthFailure": "check the credentials, and that the account has the region enabled",
    "OptInRequired": "enable the region for the account, or leave it out",
    "InvalidClientTokenId": "check the access key, and that the account has the region enabled",
    "UnrecognizedClientException": "check the access key, and that the region is enabled",
    "SignatureDoesNotMatch": "check the secret key and the machine's clock",
    "RequestExpired": _LOGIN + "; check the machine's clock",
    "ExpiredToken": _LOGIN,
    "ExpiredTokenException": _LOGIN,
    "InvalidSubnetID.Malformed": "a subnet's id is 'subnet-' and 8 or 17 hexadecimal digits",
    "InvalidSubnetID.NotFound": "check the ids and the region",
    "ResourceNotFoundException": "check the name and the region",
    **dict.fromkeys(_BUSY, f"botocore tried {ATTEMPTS} times; ask again later"),
}
"""What to do about a fault."""

DENIED: Final = frozenset(
    {
        "AccessDenied", "AccessDeniedException", "AuthorizationError",
        "AuthorizationErrorException", "Client.UnauthorizedOperation", "NotAuthorized",
        "UnauthorizedOperation",
    }
)  # fmt: skip
"""The codes by which AWS refuses one call and not the caller."""

UNSERVED: Final = frozenset(
    {"404", "InvalidAction", "NotImplemented", "UnknownOperationException", "UnsupportedOperation"}
)
"""The codes of an endpoint that does not know a call at all, as in some partitions."""

GONE: Final = frozenset(
    {
        "InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateId.VersionNotFound",
        "InvalidLaunchTemplateName.NotFoundException", "InvalidSubnetID.NotFound", "NoSuchEntity",
        "NoSuchEntityException", "ResourceNotFoundException",
    }
)  # fmt: skip
"""The codes for what another answer named and has gone, such as a deleted role."""

_IAM_PREFIXES: Final = {"monitoring": "cloudwatch", "api.pricing": "pricing"}
"""Services whose permissions begin with another word than their endpoint."""


def client(
    service: str, *, session: Any = None, region: str | None = None, endpoint_url: str | None = None
) -> Any:
    """
    A client of a service such as ``ec2``, with bounded waiting and retries.

    The region is by default that of the session, or of AWS_REGION, which goes first where no
    session is given; an endpoint URL is asked instead of AWS, such as a test server.

    Raises AwsError if no region is known, or the profile cannot be used.
    """
    from botocore.config import Config

    for name, given in (("region", region), ("endpoint_url", endpoint_url)):
        if given is not None:
            text(given, name=name)
    if session is not None and not (hasattr(session, "client") and hasattr(session, "region_name")):
        raise UnsupportedInputError(
            f"session must be a boto3.Session; got {type(session).__name__}"
        )
    if endpoint_url is not None and "://" not in endpoint_url:
        raise InputError(
            f"endpoint_url must be an address such as https://example.com; got {endpoint_url!r:.60}"
        )
    with faults(operation=service, region=region or ""):
        variable = os.environ.get("AWS_REGION")
        if session is None:
            import boto3

            session = boto3.session.Session()
            # Like the AWS CLI, and unlike boto3, which reads AWS_DEFAULT_REGION alone.
            region = region or variable
        region = region or session.region_name or variable
        if not region:
            raise AwsError(
                f"{service}: no region is given and none is configured; {_CURES['NoRegionError']}",
                operation=service,
                code="NoRegionError",
            )
        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            user_agent_extra="eks-win-capacity",
        )
        answering = session.client(
            service, region_name=region, endpoint_url=endpoint_url, config=config
        )
        answering.meta.events.register("needs-retry", _bound_silence)
        return answering


def _bound_silence(*, attempts: int, caught_exception: Exception | None, **_: Any) -> None:
    """Log the first lost try of a request, and end one that stays without an answer."""
    from botocore.exceptions import ReadTimeoutError

    if attempts >= SILENT_TRIES and isinstance(caught_exception, ReadTimeoutError):
        raise caught_exception
    if attempts == 1 and caught_exception is not None:
        _LOG.warning("no answer yet, asking again: %s", without_accounts(str(caught_exception)))


@contextmanager
def faults(*, operation: str, region: str, permission: str = "") -> Iterator[None]:
    """
    Turn what botocore raises inside into an AwsError with its cure.

    The permission is the IAM action that allows the operation.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    where = f"{operation} in {region}" if region else operation
    try:
        yield
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        if isinstance(error, ClientError):
            details = error.response.get("Error", {})
            code = str(details.get("Code") or "Unknown")
            said = str(details.get("Message") or "AWS gave no message")
            known = [code]
        else:
            code, said = type(error).__name__, str(error)
            known = [kind.__name__ for kind in type(error).__mro__]
        cure = next((_CURES[name] for name in known if name in _CURES), "")
        action = permission or operation if code in DENIED else ""
        if action:
            cure = allowing(action)
        raise AwsError(
            f"{where} failed: {code}: {_short(said)}{'; ' * bool(cure)}{cure}",
            operation=operation,
            code=code,
            region=region,
            action=action,
        ) from error


def _short(text: str) -> str:
    """One line: a parser's error carries the whole page it could not read."""
    line = without_accounts(" ".join(text.split()).rstrip("."))
    return line if len(line) <= _MESSAGE else line[:_MESSAGE] + "..."


def all_pages(
    client: Any, method: str, *, key: str, sparse: bool = False, **request: Any
) -> list[dict[str, Any]]:
    """
    Every page of an answer, through boto3's paginator where it has one.

    Each page must have the list of the key. Where pages are sparse one may lack it, or say
    the same as the one before, as CloudWatch's pages without news do.

    Raises AwsError if a call fails, a page lacks the list, or a page or token comes twice.
    """
    operation, region = api_name(client, method), client.meta.region_name
    pages: list[dict[str, Any]] = []
    tokens: set[str] = set()
    with faults(operation=operation, region=region, permission=_permission(client, operation)):
        for page in _pages(client, method, request):
            rows = page.setdefault(key, []) if sparse else page.get(key)
            if not isinstance(rows, list):
                raise incomplete(operation, region, "MissingField", f"a page lacks the list {key}")
            if rows and pages and rows == pages[-1][key] and not sparse:
                raise incomplete(operation, region, "RepeatedPage", "the same page came twice")
            for token in {str(page[name]) for name in TOKENS if page.get(name)}:
                if token in tokens:
                    raise incomplete(
                        operation, region, "RepeatedPage", "the same page token came twice"
                    )
                tokens.add(token)
            pages.append(page)
    return pages


def _pages(client: Any, method: str, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if client.can_paginate(method):
        yield from client.get_paginator(method).paginate(**request)
        return
    token: dict[str, Any] = {}
    while True:
        page = getattr(client, method)(**request, **token)
        yield page
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}


def one_answer(client: Any, method: str, *, key: str, **request: Any) -> dict[str, Any]:
    """
    Make one call that has no pages.

    Raises AwsError if the call fails, or the answer lacks a member that it must have.
    """
    operation, region = api_name(client, method), client.meta.region_name
    with faults(operation=operation, region=region, permission=_permission(client, operation)):
        answer: dict[str, Any] = getattr(client, method)(**request)
    if answer.get(key) is None:
        raise incomplete(operation, region, "MissingField", f"the answer lacks {key}")
    return answer


def api_name(client: Any, method: str) -> str:
    """AWS's name of a client's method."""
    return str(client.meta.method_to_api_mapping[method])


def _permission(client: Any, operation: str) -> str:
    prefix = client.meta.service_model.endpoint_prefix
    return f"{_IAM_PREFIXES.get(prefix, prefix)}:{operation}"


def incomplete(operation: str, region: str, code: str, what: str) -> AwsError:
    """Make the error for an answer that is not whole."""
    return AwsError(
        f"{operation} in {region} gave no whole answer: {what}; nothing of it is used, ask again",
        operation=operation,
        code=code,
        region=region,
    )


class Asking:
    """
    What was asked so far: the answers, and what is unknown.

    A call that is refused leaves its part unknown; any other fault ends the load.

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
        self.answers: dict[str, list[Any]] = defaultdict(list)
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
        service_client = self.client(service)
        self._tell(api_name(service_client, method))
        return service_client

    def part(self, name: str, ask: Any, *keys: str) -> None:
        """Ask for one part; if refused, not served or gone, say so and drop what came."""
        before = {key: len(self.answers.get(key, ())) for key in keys}
        try:
            ask()
        except AwsError as error:
            if error.code not in DENIED | UNSERVED | GONE:
                raise
            unserved = f"{error.operation} is not served by {error.region or 'the endpoint'}"
            why = unserved if error.code in UNSERVED else str(error)
            self.unknown[name] = Unknown(why, action=error.action)
            for key in keys:
                if not before[key]:
                    self.answers.pop(key, None)
                else:
                    del self.answers[key][before[key] :]
