"""An S3 as companies have it, on loopback: it refuses whoever is not the role, does not encrypt, or does not pay."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Iterable

ROLE = "arn:aws:iam::123456789012:role/lake-writer"
KEY = "arn:aws:kms:us-east-1:123456789012:key/0f0e0d0c-1111-2222-3333-444455556666"
ACCOUNT = "123456789012"


@dataclass
class CompanyS3:
    """Moto, behind what bucket policies of companies enforce.

    :param refused: each call that was refused, and why.
    """

    refused: list[str] = field(default_factory=list)
    roles_assumed: int = 0

    def __enter__(self) -> CompanyS3:
        """Start to listen."""
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._server.shutdown()

    @property
    def url(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def create_bucket(self, name: str) -> None:
        """Make a bucket, as an administrator may."""
        from moto.s3.models import s3_backends

        s3_backends[ACCOUNT]["aws"].create_bucket(name, "us-east-1")

    def encryption(self, bucket: str) -> dict[str, tuple[str, str]]:
        """Return how each object is encrypted, and with which key."""
        from moto.s3.models import s3_backends

        keys = s3_backends[ACCOUNT]["aws"].get_bucket(bucket).keys
        return {name: (key.encryption, key.kms_key_id) for name, key in keys.items()}

    def end_sessions(self) -> None:
        """Let all sessions of the role end now."""
        from moto.sts.models import sts_backends

        for role in sts_backends[ACCOUNT]["aws"].assumed_roles:
            role.expiration = datetime(2000, 1, 1, tzinfo=UTC)

    def open_uploads(self, bucket: str) -> int:
        """Return how many uploads were neither completed nor aborted."""
        from moto.s3.models import s3_backends

        return len(s3_backends[ACCOUNT]["aws"].get_bucket(bucket).multiparts)

    def _answer(self, request: dict[str, Any], start: Any) -> Iterable[bytes]:
        credential = re.search(r"Credential=([^/]+)/\d+/[^/]+/(\w+)/", request.get("HTTP_AUTHORIZATION", ""))
        key, service = credential.groups() if credential else ("", "s3")
        if service == "sts":
            self.roles_assumed += 1
        elif problem := self._problem(request, key):
            self.refused.append(f"{request['REQUEST_METHOD']} {request['PATH_INFO']}: {problem}")
            start("403 Forbidden", [("Content-Type", "application/xml")])
            return [f"<Error><Code>AccessDenied</Code><Message>{problem}</Message></Error>".encode()]
        answer: Iterable[bytes] = self._moto(request, start)
        return answer

    def _problem(self, request: dict[str, Any], access_key: str) -> str | None:
        from moto.sts.models import sts_backends

        role = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(access_key)
        if role is None or role.role_arn != ROLE:
            return "not the role"
        if request.get("HTTP_X_AMZ_SECURITY_TOKEN") != role.session_token:
            return "not the role's token"
        if role.expiration.replace(tzinfo=UTC) < datetime.now(UTC):
            return "expired"
        if request.get("HTTP_X_AMZ_REQUEST_PAYER") != "requester":
            return "who pays?"
        query = parse_qs(request["QUERY_STRING"], keep_blank_values=True)
        is_new = (request["REQUEST_METHOD"] == "PUT" and "uploadId" not in query) or "uploads" in query
        if is_new and request["REQUEST_METHOD"] != "GET":
            wanted = ("aws:kms", KEY)
            header = "HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION"
            if (request.get(header), request.get(f"{header}_AWS_KMS_KEY_ID")) != wanted:
                return "not encrypted with the key"
        return None
