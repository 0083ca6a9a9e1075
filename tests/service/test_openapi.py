"""The OpenAPI document is true: what it does not say never happens, whatever is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

schemathesis = pytest.importorskip("schemathesis")

from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.site import KEY, Site  # noqa: E402
from vision_event_block.server.app import create_app  # noqa: E402
from vision_event_block.settings import Settings  # noqa: E402

_DOCUMENT = schemathesis.openapi.from_dict(create_app(Settings(store="/nowhere/events.db")).openapi())
_OPERATIONS = {found.ok().label: found.ok() for found in _DOCUMENT.get_all_operations()}
_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@schemathesis.serializer("application/gzip")
def _as_it_is(context, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("openapi")
    site = Site(folder, use_cases=("uc",))
    yield site.url
    site.close()


@pytest.mark.parametrize("label", sorted(_OPERATIONS))
def test_no_request_is_answered_in_a_way_that_is_not_documented(url, label):
    """No 5xx, no undocumented status, no body of another shape."""

    @given(case=_OPERATIONS[label].as_strategy())
    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case):
        case.call_and_validate(
            base_url=url, headers={"Authorization": f"Bearer {KEY}"}, checks=_CHECKS, timeout=20
        )

    ask()
