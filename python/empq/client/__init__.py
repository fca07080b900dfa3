"""What users and the command line talk to a hub with: REST calls, event streams, the clients' socket."""

from empq.client.blocking import SyncClient
from empq.client.http import Client
from empq.client.problems import HubUnreachable

__all__ = ["Client", "HubUnreachable", "SyncClient"]
