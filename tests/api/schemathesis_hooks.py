"""What Schemathesis is not born with: pieces of uploads are bytes."""

from __future__ import annotations

import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
