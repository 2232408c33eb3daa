"""Calls to AWS that return the complete answer, raise one clear error, or leave a part unknown."""

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
"""Attempts of botocore at a throttled or lost request before it is an error."""

CONNECT_TIMEOUT_S: Final = 10
READ_TIMEOUT_S: Final = 28
SILENT_TRIES: Final = 2
"""Attempts at an endpoint that does not respond: with the pause, it takes a minute at most."""

FILTER_VALUES: Final = 200
"""Maximum number of values in one filter of an EC2 call.

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
"""Error codes of services that are overloaded or have failed."""

_CURES: Final = {
    # Exceptions of botocore by class; a subclass that is not listed uses its base class.
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
"""Remedy for each fault."""

DENIED: Final = frozenset(
    {
        "AccessDenied", "AccessDeniedException", "AuthorizationError",
        "AuthorizationErrorException", "Client.UnauthorizedOperation", "NotAuthorized",
        "UnauthorizedOperation",
    }
)  # fmt: skip
"""Error codes of a denied call, as opposed to invalid credentials."""

UNSERVED: Final = frozenset(
    {"404", "InvalidAction", "NotImplemented", "UnknownOperationException", "UnsupportedOperation"}
)
"""Error codes of an endpoint that does not support a call, as in some partitions."""

GONE: Final = frozenset(
    {
        "InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateId.VersionNotFound",
        "InvalidLaunchTemplateName.NotFoundException", "InvalidSubnetID.NotFound", "NoSuchEntity",
        "NoSuchEntityException", "ResourceNotFoundException",
    }
)  # fmt: skip
"""Error codes for a resource that no longer exists, such as a deleted role."""

_IAM_PREFIXES: Final = {"monitoring": "cloudwatch", "api.pricing": "pricing"}
"""IAM prefix of each service where it differs from the endpoint's."""


def client(
    service: str, *, session: Any = None, region: str | None = None, endpoint_url: str | None = None
) -> Any:
    """
    A client of a service such as ``ec2``, with limited timeouts and retries.

    The default region is that of the session, or AWS_REGION, which takes precedence if no session
    is given; an endpoint URL replaces that of AWS, for instance with a test server.

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
            # Like the AWS CLI; boto3 itself only reads AWS_DEFAULT_REGION.
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
    """Log the first lost attempt of a request, and stop one that stays without a response."""
    from botocore.exceptions import ReadTimeoutError

    if attempts >= SILENT_TRIES and isinstance(caught_exception, ReadTimeoutError):
        raise caught_exception
    if attempts == 1 and caught_exception is not None:
        _LOG.warning("no answer yet, asking again: %s", without_accounts(str(caught_exception)))


@contextmanager
def faults(*, operation: str, region: str, permission: str = "") -> Iterator[None]:
    """
    Convert exceptions of botocore into an AwsError with a remedy.

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
    """The message on one line, shortened: a parser error contains the whole page."""
    line = without_accounts(" ".join(text.split()).rstrip("."))
    return line if len(line) <= _MESSAGE else line[:_MESSAGE] + "..."


def all_pages(
    client: Any, method: str, *, key: str, sparse: bool = False, **request: Any
) -> list[dict[str, Any]]:
    """
    All pages of an answer, through boto3's paginator if it has one.

    Each page must contain the list `key`. With `sparse` a page may lack it or repeat the previous
    one, as pages of CloudWatch without data do.

    Raises AwsError if a call fails, a page lacks the list, or a page or token is repeated.
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
    Answer of a call without pages.

    Raises AwsError if the call fails, or the answer lacks the required member.
    """
    operation, region = api_name(client, method), client.meta.region_name
    with faults(operation=operation, region=region, permission=_permission(client, operation)):
        answer: dict[str, Any] = getattr(client, method)(**request)
    if answer.get(key) is None:
        raise incomplete(operation, region, "MissingField", f"the answer lacks {key}")
    return answer


def api_name(client: Any, method: str) -> str:
    """Name of a client method in the AWS API."""
    return str(client.meta.method_to_api_mapping[method])


def _permission(client: Any, operation: str) -> str:
    prefix = client.meta.service_model.endpoint_prefix
    return f"{_IAM_PREFIXES.get(prefix, prefix)}:{operation}"


def incomplete(operation: str, region: str, code: str, what: str) -> AwsError:
    """Error for an incomplete answer."""
    return AwsError(
        f"{operation} in {region} gave no whole answer: {what}; nothing of it is used, ask again",
        operation=operation,
        code=code,
        region=region,
    )


class Asking:
    """
    The answers so far, and what is unknown.

    A call that is denied leaves its part unknown; any other fault ends the load.

    Attributes
    ----------
    answers : mapping of str to list
        The answers, by their member.
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
        """Client of a service, cached."""
        if service not in self._made:
            self._made[service] = client(service, **self._how)
        return self._made[service]

    def pages(self, service: str, method: str, key: str, **request: Any) -> list[Any]:
        """Rows of all pages, which are also added to `answers`."""
        asked = self._client_for(service, method)
        rows = [row for page in all_pages(asked, method, key=key, **request) for row in page[key]]
        self.answers[key].append(rows)
        return rows

    def one(self, service: str, method: str, key: str, **request: Any) -> Any:
        """Answer of a single call, which is also added to `answers`."""
        answer = one_answer(self._client_for(service, method), method, key=key, **request)[key]
        self.answers[key].append(answer)
        return answer

    def _client_for(self, service: str, method: str) -> Any:
        """Client for a call; reports the call to `on_call`."""
        service_client = self.client(service)
        self._tell(api_name(service_client, method))
        return service_client

    def part(self, name: str, ask: Any, *keys: str) -> None:
        """Request one part; if denied, not served or gone, note why and drop its answers."""
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
