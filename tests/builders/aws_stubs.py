"""Clients of AWS that give recorded answers, one after the other."""

import boto3
from botocore.stub import Stubber

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


def stubbed(service, *answers, region="eu-west-1", said=""):
    """
    Make a client that gives these answers in this order.

    Each answer is (method, answer) or (method, answer, expected parameters); a text
    in place of an answer is the code of an error.
    """
    client = boto3.client(service, region_name=region, **KEYS)
    stub = client.stub = Stubber(client)
    for method, answer, *expected in answers:
        if isinstance(answer, str):
            stub.add_client_error(method, answer, said)
        else:
            stub.add_response(method, answer, *expected)
    stub.activate()
    return client
