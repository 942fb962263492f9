"""The reader of a Redis, whose values change under it: the manifest comes with every answer."""

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from serving.feast_format import seconds, value
from serving.online import BRING, Found, Manifest, OnlineError, Reader, read_manifest

SECONDS = 1.0
"Longest wait for Redis, to connect and for an answer."


class RedisReader(Reader):
    """Features by entity from a Redis, all in one round trip."""

    def __init__(self, address: str, project: str) -> None:
        self.project, self._name = project, f"moe:online:{project}"
        # one try again, for a connection that a restarted server has dropped
        self.client: Any = redis.Redis.from_url(address, socket_timeout=SECONDS, socket_connect_timeout=SECONDS,
                                                retry=Retry(NoBackoff(), 1))  # its types know no keys of bytes
        self._loaded: tuple[bytes, Manifest] | None = None
        self.manifest()

    def manifest(self) -> Manifest:
        if self._loaded is None:
            self._load(self._ask([])[0])
        assert self._loaded
        return self._loaded[1]

    def _find(self, manifest: Manifest, wanted: list[list[bytes]]) -> list[Found] | None:
        project = self.project.encode()
        text, *hashes = self._ask([(key + project, view.fields)
                                   for view, keys in zip(manifest.views, wanted, strict=True) for key in keys])
        if self._loaded is None or text != self._loaded[0] or manifest is not self._loaded[1]:
            self._load(text)
            return None
        found, answers = [], iter(hashes)
        for view, keys in zip(manifest.views, wanted, strict=True):
            of_view = {key: next(answers) for key in keys}
            found.append({key: [value(blob) for blob in blobs] for key, (*blobs, at) in of_view.items()
                          if at and seconds(at) >= view.oldest})
        return found

    def _load(self, text: bytes | None) -> None:
        if text is None:
            raise OnlineError(f"nothing of {self.project} is online in this Redis", BRING)
        self._loaded = text, read_manifest(text, self.project)

    def _ask(self, asked: list[tuple[bytes, tuple[bytes, ...]]]) -> list[Any]:
        """The manifest's text, and the fields of each hash that is asked for."""
        try:
            with self.client.pipeline(transaction=False) as pipe:
                pipe.get(self._name)
                for key, fields in asked:
                    pipe.hmget(key, fields)
                return list(pipe.execute())
        except redis.RedisError as error:
            raise OnlineError(f"the online store does not answer: {error}",
                              "start Redis, or mend the address; reading goes on by itself then") from error
